package milter

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func crowd(n int) func(*furniture) { return func(f *furniture) { f.limits.Connections = n } }

// When the gate is full, the oldest stranger makes room, and never an MTA.
func TestStrangersMakeRoom(t *testing.T) {
	h := newHouse(t, crowd(3))
	oldest := newMTA(t, h.address, 6).greet()
	oldest.mail("a@example.net")
	first, second := dialMTA(t, h.address), dialMTA(t, h.address)
	eventually(t, "all are inside", func() bool { return h.gate.Connections() == 3 })

	newcomer := newMTA(t, h.address, 6)
	first.closed()
	another := newMTA(t, h.address, 6)
	second.closed()
	if n := h.gate.Connections(); n != 3 {
		t.Errorf("%d connections", n)
	}

	// Only MTAs are left: they stay, and who comes now is refused.
	dialMTA(t, h.address).closed()
	if n := len(h.log.all("limits.connections")); n != 1 {
		t.Errorf("%d warnings, want one as long as it is full", n)
	}
	for i, m := range []*mta{newcomer, another} {
		m.greet()
		m.mail("a@example.net")
		if got := m.rcpt("me" + string(rune('0'+i)) + "@example.org"); got != greylisted {
			t.Errorf("answer %q", got)
		}
	}
	if got := oldest.rcpt("me@example.org"); got != greylisted {
		t.Errorf("answer %q", got)
	}

	// Room again, and then none again.
	newcomer.quit()
	eventually(t, "one has left", func() bool { return h.gate.Connections() == 2 })
	last := newMTA(t, h.address, 6)
	dialMTA(t, h.address).closed()
	if n := len(h.log.all("limits.connections")); n != 2 {
		t.Errorf("%d warnings, want two", n)
	}
	last.quit()
	another.quit()
	oldest.quit()
	eventually(t, "all have left", func() bool { return h.gate.Connections() == 0 })
}

func TestGateOfOne(t *testing.T) {
	h := newHouse(t, crowd(1))
	for range 3 {
		stranger := dialMTA(t, h.address)
		eventually(t, "the stranger is inside", func() bool { return h.gate.Connections() == 1 })
		m := newMTA(t, h.address, 6)
		stranger.closed()
		m.quit()
		eventually(t, "the MTA has left", func() bool { return h.gate.Connections() == 0 })
	}
	if n := len(h.log.all("limits.connections")); n != 3 {
		t.Errorf("%d warnings, want one each time that it is full", n)
	}
}

// The gate counts over all listeners.
func TestGateOfSeveralListeners(t *testing.T) {
	g := NewGate(Limits{Connections: 2}, slog.New(new(logbook)))
	var conns []net.Conn
	for range 2 {
		door := &doorway{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
		_, theirs := net.Pipe()
		door.conns <- theirs
		c, err := g.guard(door, "milter").Accept()
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
		log := new(logbook)
		g := NewGate(Limits{Connections: 10}, slog.New(log))
		door := &doorway{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
		emfile := &net.OpError{Op: "accept", Err: syscall.EMFILE}
		l := g.guard(&failing{Listener: door, err: emfile, times: 12}, "milter")
		for range 2 {
			_, theirs := net.Pipe()
			door.conns <- theirs
			began := time.Now()
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
			if passed := time.Since(began); passed < time.Second || passed > 12*time.Second {
				t.Errorf("12 failures take %v", passed)
			}
		}
		if n := len(log.all("cannot accept")); n != 24 {
			t.Errorf("%d errors are logged", n)
		}
	})
}

// A listener that is closed while it waits to try again does not keep anybody waiting.
func TestAcceptEndsAtClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Limits{Connections: 10}, slog.New(new(logbook)))
		door := &doorway{conns: make(chan net.Conn), closed: make(chan struct{})}
		broken := &failing{Listener: door, err: errors.New("broken"), times: 9}
		l := g.guard(broken, "milter")
		done := make(chan error)
		go func() {
			_, err := l.Accept()
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
func TestGateByAddress(t *testing.T) {
	log := new(logbook)
	g := NewGate(Limits{Connections: 10, PerAddress: 2, Negotiation: patience, Command: patience, Idle: patience}, slog.New(log))
	enter := func(address string) *conn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _ = ours.Close() })
		return g.enter(from{theirs, netip.MustParseAddr(address)}, "milter")
	}
	other := enter("192.0.2.9") // a stranger too, and older
	first, second := enter("192.0.2.7"), enter("192.0.2.7")
	g.introduced(second)
	third := enter("::ffff:192.0.2.7")
	if third == nil || !first.closed || second.closed || other.closed {
		t.Errorf("the oldest stranger of the address does not make room: %v %v %v", first.closed, second.closed, other.closed)
	}
	g.introduced(third)
	if enter("192.0.2.7") != nil {
		t.Error("let in beyond the limit, where nobody is a stranger")
	}
	if enter("192.0.2.8") == nil {
		t.Error("another address is kept out")
	}
	_ = third.Close()
	if enter("192.0.2.7") == nil {
		t.Error("kept out although one has left")
	}
	if got, want := g.Traffic()["milter"], (Traffic{Open: 4, Entered: 6, Refused: 1, Displaced: 1}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	if n := len(log.all("limits.connections_per_address")); n != 1 {
		t.Errorf("said %d times", n)
	}
}
