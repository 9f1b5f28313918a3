package listen

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// The limiter counts over all listeners.
func TestLimiterOfSeveralListeners(t *testing.T) {
	g := NewLimiter(Limits{Connections: 2}, slog.New(slog.DiscardHandler))
	var conns []net.Conn
	for range 2 {
		listener := newPipes()
		_, theirs := net.Pipe()
		listener.conns <- theirs
		c, err := g.Listener(listener, "milter").AcceptConn()
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
		g := NewLimiter(Limits{Connections: 10}, slog.New(slog.NewTextHandler(log, nil)))
		listener := newPipes()
		emfile := &net.OpError{Op: "accept", Err: syscall.EMFILE}
		l := g.Listener(&failing{Listener: listener, err: emfile, times: 12}, "milter")
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
		g := NewLimiter(Limits{Connections: 10}, slog.New(slog.DiscardHandler))
		listener := newPipes()
		broken := &failing{Listener: listener, err: errors.New("broken"), times: 9}
		l := g.Listener(broken, "milter")
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

// One address cannot take all there is, and under its limit its own strangers make
// room, not those of others.
func TestLimitByAddress(t *testing.T) {
	log := new(lines)
	g := NewLimiter(Limits{Connections: 10, PerAddress: 2, Negotiation: time.Minute, Command: time.Minute, Idle: time.Minute}, slog.New(slog.NewTextHandler(log, nil)))
	admit := func(address string) *Conn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _ = ours.Close() })
		return g.admit(from{theirs, netip.MustParseAddr(address)}, "milter")
	}
	other := admit("192.0.2.9") // a stranger too, and older
	first, second := admit("192.0.2.7"), admit("192.0.2.7")
	g.hasAsked(second)
	third := admit("::ffff:192.0.2.7")
	if third == nil || !first.closed || second.closed || other.closed {
		t.Errorf("the oldest stranger of the address does not make room: %v %v %v", first.closed, second.closed, other.closed)
	}
	g.hasAsked(third)
	if admit("192.0.2.7") != nil {
		t.Error("let in beyond the limit, where nobody is a stranger")
	}
	if admit("192.0.2.8") == nil {
		t.Error("another address is kept out")
	}
	_ = third.Close()
	if admit("192.0.2.7") == nil {
		t.Error("kept out although one has left")
	}
	if got, want := g.Counters()["milter"], (Counters{Open: 4, Admitted: 6, Refused: 1, Displaced: 1}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	if n := log.count("limits.connections_per_address"); n != 1 {
		t.Errorf("said %d times", n)
	}
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
