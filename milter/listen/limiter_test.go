package listen

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// The limiter counts over all listeners.
func TestLimiterOfSeveralListeners(t *testing.T) {
	g := newLimiter(Limits{Connections: 2})
	var conns []net.Conn
	for range 2 {
		listener := newPipes()
		_, theirs := net.Pipe()
		listener.conns <- theirs
		c, err := g.listener(listener).AcceptConn()
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	if n := g.Connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
	for range 2 { // closed twice, counted once
		for _, c := range conns {
			_ = c.Close()
		}
	}
	if n := g.Connections(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// failing is a listener whose Accept fails a number of times before each connection.
type failing struct {
	net.Listener
	err          error
	times, calls int
}

func (l *failing) Accept() (net.Conn, error) {
	if l.calls++; l.calls%(l.times+1) != 0 {
		return nil, l.err
	}
	return l.Listener.Accept()
}

// Out of file descriptors, and the like, is no reason to stop listening.
func TestAcceptGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(lines)
		g := NewLimiter("milter", Limits{Connections: 10, PerAddress: 10}, slog.New(slog.NewTextHandler(log, nil)))
		listener := newPipes()
		emfile := &net.OpError{Op: "accept", Err: syscall.EMFILE}
		l := g.listener(&failing{Listener: listener, err: emfile, times: 12})
		for range 2 {
			_, theirs := net.Pipe()
			listener.conns <- theirs
			began := time.Now()
			c, err := l.AcceptConn()
			if err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
			if passed := time.Since(began); passed < time.Second || passed > 12*time.Second {
				t.Errorf("12 failures take %v", passed)
			}
		}
		if n := log.count("cannot accept"); n != 24 {
			t.Errorf("%d errors are logged", n)
		}
	})
}

// A listener that is closed while it waits to try again does not keep anybody waiting.
func TestAcceptEndsAtClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLimiter(Limits{Connections: 10})
		listener := newPipes()
		broken := &failing{Listener: listener, err: errors.New("broken"), times: 9}
		l := g.listener(broken)
		done := make(chan error)
		go func() {
			_, err := l.AcceptConn()
			done <- err
		}()
		time.Sleep(2 * time.Second) // now it tries once a second
		synctest.Wait()
		broken.times = 0 // from now on the listener says that it is closed
		began := time.Now()
		_ = l.Close()
		_ = l.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept returned %v", err)
		}
		if passed := time.Since(began); passed != 0 {
			t.Errorf("it took %v", passed)
		}
	})
}

// from is a connection of a peer at an address.
type from struct {
	net.Conn
	address netip.Addr
}

func (f from) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(f.address, 4321))
}

// At a limit the connection gives way that does least harm: one that has sent no
// request, then the one that has been idle longest without a message, then one that
// has been idle in its message for longer than clients take; never another. At the
// limit of an address it is one from there.
func TestConnectionsGiveWay(t *testing.T) {
	const here, there = "192.0.2.7", "192.0.2.9"
	type conn struct {
		from    string
		asked   bool
		message bool
		idle    time.Duration
	}
	silent := func(idle time.Duration) conn { return conn{here, false, false, idle} }
	between := func(idle time.Duration) conn { return conn{here, true, false, idle} }
	inMessage := func(idle time.Duration) conn { return conn{here, true, true, idle} }
	for _, c := range []struct {
		name  string
		conns []conn
		gives int // which gives way; none: the new one is refused
	}{
		{"the oldest that has sent nothing", []conn{silent(1 * time.Second), silent(3 * time.Second), silent(2 * time.Second)}, 1},
		{"one that has sent nothing, before an idle one", []conn{between(time.Hour), silent(time.Second), inMessage(time.Hour)}, 1},
		{"the one that has been idle longest", []conn{between(time.Minute), between(time.Hour), inMessage(2 * time.Hour)}, 1},
		{"one that is long idle in its message", []conn{inMessage(9 * time.Minute), inMessage(11 * time.Minute), inMessage(12 * time.Minute)}, 2},
		{"none", []conn{inMessage(time.Minute), inMessage(9 * time.Minute), inMessage(0)}, -1},
		{"one of the same address", []conn{{there, false, false, time.Hour}, between(time.Second), inMessage(0), inMessage(time.Minute)}, 1},
		{"none of the same address", []conn{{there, false, false, time.Hour}, inMessage(0), inMessage(0), inMessage(0)}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := new(lines)
				l := NewLimiter("milter", Limits{Connections: 10, PerAddress: 3}, slog.New(slog.NewTextHandler(log, nil)))
				admit := func(address string) *Conn {
					ours, theirs := net.Pipe()
					t.Cleanup(func() { _ = ours.Close() })
					return l.Admit(from{theirs, netip.MustParseAddr(address)})
				}
				var conns []*Conn
				for _, is := range c.conns {
					conn := admit(is.from)
					conn.asked.Store(is.asked)
					conn.InMessage(is.message)
					conn.active.Store(sinceStart() - int64(is.idle))
					conns = append(conns, conn)
				}
				if newcomer := admit("::ffff:" + here); (newcomer == nil) != (c.gives < 0) {
					t.Errorf("admitted: %t", newcomer != nil)
				}
				for i, conn := range conns {
					if conn.closed != (i == c.gives) {
						t.Errorf("connection %d closed: %t", i, conn.closed)
					}
				}
				if n := log.count(keyPerAddress); n != 1 {
					t.Errorf("said %d times: %s", n, log.text.String())
				}
			})
		})
	}
}

// One address cannot take all there is, and each connection that ends makes room.
func TestLimitByAddress(t *testing.T) {
	l := newLimiter(Limits{Connections: 10, PerAddress: 1})
	admit := func(address string) *Conn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _ = ours.Close() })
		c := l.Admit(from{theirs, netip.MustParseAddr(address)})
		if c != nil {
			c.asked.Store(true)
			c.InMessage(true)
		}
		return c
	}
	first := admit("192.0.2.7")
	if admit("192.0.2.7") != nil || admit("192.0.2.8") == nil {
		t.Error("an address takes more than its share, or another is refused")
	}
	_ = first.Close()
	if admit("192.0.2.7") == nil {
		t.Error("refused although there is room")
	}
	if got, want := l.Counters(), (Counters{Open: 2, Admitted: 3, Refused: 1}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

// Connections by unix socket count by the user who made them.
func TestLimitByUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener := listen(t, Address{"unix", path}, private)
	there, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	here, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	if got, want := sourceOf(here), (source{uid: uint32(os.Getuid())}); got != want {
		t.Errorf("source %+v, want %+v", got, want)
	}
	l := newLimiter(Limits{Connections: 10, PerAddress: 2})
	l.from[source{uid: 12345}] = 2
	c := l.Admit(here)
	if c == nil {
		t.Fatal("another user's connections count")
	}
	_ = c.Close()
}

// pipes is a listener that takes connections from a channel.
type pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn, 1), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}
