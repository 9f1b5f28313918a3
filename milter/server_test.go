package milter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// shutdown shuts the house in the background.
func (h *house) shutdown(t *testing.T, ctx context.Context, grace time.Duration) <-chan error {
	done := make(chan error, 1)
	go func() { done <- h.Shutdown(ctx, grace) }()
	return done
}

// Every command that was received is answered, however the daemon is stopped:
// the one that is being judged, those that were read with it, and those that
// still wait in the socket.
func TestShutdownAnswersWhatWasReceived(t *testing.T) {
	for _, c := range []struct {
		name       string
		recipients int
		length     int // of each
	}{
		{"being judged", 1, 20},
		{"buffered", 20, 20},
		{"in the socket", 20, 1000}, // more than is read at once
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			arrived, release := h.memory.hold()
			m := newMTA(t, h.address, 6)
			m.hold()
			m.greet()
			m.mail("a@example.net")
			for i := range c.recipients {
				m.rcpt(fmt.Sprintf("%s%d@example.org", strings.Repeat("a", c.length), i))
			}
			m.send(cmdData)
			m.flush()
			<-arrived
			done := h.shutdown(t, context.Background(), 0)
			eventually(t, "the listener is closed", func() bool {
				conn, err := net.Dial("unix", h.address.Addr)
				if err == nil {
					_ = conn.Close()
				}
				return err != nil
			})
			close(release)
			for i := range c.recipients {
				if got := m.reply(); got != greylisted {
					t.Errorf("recipient %d: answer %q", i, got)
				}
			}
			if got := m.reply(); got != isContinue {
				t.Errorf("DATA answered %q", got)
			}
			m.closed()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if err := <-h.served; err != nil {
				t.Errorf("Serve returned %v", err)
			}
			h.served <- nil
		})
	}
}

// What came in the last moment, before the session had a look, is answered too.
func TestShutdownAnswersWhatJustCame(t *testing.T) {
	const sessions = 20
	h := newHouse(t)
	all := make([]*mta, sessions)
	for i := range all {
		all[i] = newMTA(t, h.address, 6).greet()
		all[i].mail("a@example.net")
	}
	// All sessions wait to read; what they get, and the last call, come at once.
	for i, m := range all {
		m.send(cmdRcpt, cstrings(fmt.Sprintf("<me%d@example.org>", i))...)
	}
	done := h.shutdown(t, context.Background(), 0)
	for _, m := range all {
		if got := m.reply(); got != greylisted {
			t.Errorf("answer %q", got)
		}
		m.closed()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// script is a connection that reads what a test tells it to, call by call.
type script struct {
	net.Conn
	reads []func(p []byte) (int, error)
}

func (*script) RemoteAddr() net.Addr { return nil }

func (s *script) Read(p []byte) (int, error) {
	next := s.reads[0]
	s.reads = s.reads[1:]
	return next(p)
}

func (s *script) SetReadDeadline(time.Time) error { return nil }

// A read that the last call cuts short fails even if octets have just come: so
// there is one more look.
func TestLastLook(t *testing.T) {
	octets := frame(cmdNegotiate, string(negotiation(6, 0, 0)))
	g := NewGate(Limits{Connections: 1, Negotiation: patience, Command: patience, Idle: patience}, slog.New(new(logbook)))
	peer := new(script)
	c := &frames{conn: g.enter(peer, "milter")}
	timeout := func([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }
	peer.reads = []func([]byte) (int, error){
		func([]byte) (int, error) {
			g.finishBy(time.Now())
			return 0, os.ErrDeadlineExceeded
		},
		func(p []byte) (int, error) { return copy(p, octets), nil },
		timeout,
	}
	if got, err := c.next(); err != nil || string(got) != string(octets) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := c.next(); err != io.EOF {
		t.Errorf("error %v", err)
	}
}

// One that comes in after the last call gets no more than those inside.
func TestLastCallForNewcomers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Limits{Connections: 1, Negotiation: time.Hour, Command: time.Hour, Idle: time.Hour}, slog.New(new(logbook)))
		g.finishBy(time.Now().Add(time.Minute))
		ours, theirs := net.Pipe()
		defer ours.Close()
		c := &frames{conn: g.enter(theirs, "milter")}
		defer c.Close()
		began := time.Now()
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("error %v", err)
		}
		within(t, time.Since(began), time.Minute)
	})
}

// Until the grace ends, sessions go on; at its end the idle ones are closed, and
// one that talks without end soon after.
func TestShutdownGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPipeHouse(t)
		stranger, idle, begun := h.call(t), h.mta(t).greet(), h.mta(t).greet()
		began := time.Now()
		const grace = 10 * time.Second
		ends := make(chan time.Duration, 5)
		for _, m := range []*mta{stranger, idle} {
			go func() {
				m.closed()
				ends <- time.Since(began)
			}()
		}
		for _, pause := range []time.Duration{lastGlance / 5, time.Second} {
			talker := h.mta(t).greet()
			go func() {
				defer func() { ends <- time.Since(began) }()
				for {
					if _, err := talker.conn.Write(frame(cmdAbort, "")); err != nil {
						return
					}
					time.Sleep(pause)
				}
			}()
		}
		go func() {
			begun.drip(frame(cmdMail, "<"+strings.Repeat("a", 100)+">\x00"))
			ends <- time.Since(began)
		}()
		done := h.shutdown(t, context.Background(), grace)
		for range 5 {
			if passed := <-ends; passed < grace || passed > grace+2*lastWords {
				t.Errorf("a session ended after %v", passed)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// lateDoor is a listener that has accepted one more connection when it is closed.
type lateDoor struct {
	*doorway
	late chan net.Conn
}

func (d *lateDoor) Accept() (net.Conn, error) {
	c, err := d.doorway.Accept()
	if err != nil {
		select {
		case c := <-d.late:
			return c, nil
		default:
		}
	}
	return c, err
}

// Until the grace ends, whoever was let in is served as ever: also who came in
// the very moment in which the doors were closed, and who begins another SMTP
// session on its connection.
func TestShutdownServesWhoIsInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := buildHouse(t, nil)
		h.door = make(chan net.Conn)
		door := &lateDoor{&doorway{conns: h.door, closed: make(chan struct{})}, make(chan net.Conn, 1)}
		h.open(t, door)
		ours, theirs := net.Pipe()
		door.late <- theirs
		again := h.mta(t).greet()
		done := h.shutdown(t, context.Background(), time.Minute)
		synctest.Wait()
		again.quitNC()
		late := &mta{t: t, conn: ours, in: bufio.NewReader(ours)}
		late.negotiate(6)
		for i, m := range []*mta{again, late} {
			m.greet().mail("a@example.net")
			if got := m.rcpt(fmt.Sprintf("me%d@example.org", i)); got != greylisted {
				t.Errorf("answer %q", got)
			}
			m.quit()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// When the context ends, all are closed, and nobody waits for a verdict any longer.
func TestShutdownHard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPipeHouse(t, func(f *furniture) { f.policy.Timeout = time.Hour })
		arrived, _ := h.memory.hold()
		judged, idle := h.mta(t).greet(), h.mta(t).greet()
		judged.mail("a@example.net")
		judged.send(cmdRcpt, cstrings("<me@example.org>")...)
		<-arrived
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := h.Shutdown(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returned %v", err)
		}
		within(t, time.Since(began), 5*time.Second)
		judged.closed()
		idle.closed()
		synctest.Wait()
		if n := h.gate.Connections(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
		if line := h.log.last("decision"); line["reason"] != "error" || line["error"] != context.Canceled.Error() {
			t.Errorf("logged %v", line)
		}
	})
}

// Sessions that come and go, well or badly, and a server that ends, leave no
// goroutine behind.
func TestNothingIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	h := newHouse(t)
	for range 20 {
		newMTA(t, h.address, 6).greet().quit()
		m := newMTA(t, h.address, 6)
		m.write(claim(0))
		m.closed()
		_ = newMTA(t, h.address, 6).conn.Close()
		dialMTA(t, h.address)
	}
	h.close(t)
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

func TestServeAfterShutdown(t *testing.T) {
	h := newHouse(t)
	h.close(t)
	address := Address{"unix", filepath.Join(t.TempDir(), "late.sock")}
	l, err := Listen(address, SocketOwner{Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Serve(l); err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if conn, err := net.Dial("unix", address.Addr); err == nil {
		_ = conn.Close()
		t.Error("the listener is still open")
	}
}

func TestServeSeveralListeners(t *testing.T) {
	h := newHouse(t)
	l, err := Listen(Address{"tcp4", "127.0.0.1:0"}, SocketOwner{})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(l) }()
	tcp := newMTA(t, Address{"tcp4", l.Addr().String()}, 6).greet()
	unix := newMTA(t, h.address, 6).greet()
	if n := h.gate.Connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
	tcp.quit()
	unix.quit()
	h.close(t)
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}
