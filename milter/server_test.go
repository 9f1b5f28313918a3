package milter

import (
	"context"
	"errors"
	"fmt"
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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
			h := newFixture(t)
			arrived, release := h.Store.Hold()
			m := h.MTA(t)
			m.Hold()
			m.Greet()
			m.Mail("a@example.net")
			for i := range c.recipients {
				m.Rcpt(fmt.Sprintf("%s%d@example.org", strings.Repeat("a", c.length), i))
			}
			m.Send(cmdData)
			m.Flush()
			<-arrived
			done := h.Shutdown(context.Background(), 0)
			mtatest.Eventually(t, "the listener is closed", func() bool {
				conn, err := net.Dial("unix", h.Address.Addr)
				if err == nil {
					_ = conn.Close()
				}
				return err != nil
			})
			close(release)
			for i := range c.recipients {
				if got := m.Reply(); got != mtatest.Greylisted {
					t.Errorf("recipient %d: answer %q", i, got)
				}
			}
			if got := m.Reply(); got != mtatest.Continue {
				t.Errorf("DATA answered %q", got)
			}
			m.Closed()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if err := <-h.Served; err != nil {
				t.Errorf("Serve returned %v", err)
			}
			h.Served <- nil
		})
	}
}

// What came in the last moment, before the session had a look, is answered too.
func TestShutdownAnswersWhatJustCame(t *testing.T) {
	const sessions = 20
	h := newFixture(t)
	all := make([]*mtatest.MTA, sessions)
	for i := range all {
		all[i] = h.MTA(t).Greet()
		all[i].Mail("a@example.net")
	}
	// All sessions wait to read; what they get, and the last call, come at once.
	for i, m := range all {
		m.Send(cmdRcpt, mtatest.Strings(fmt.Sprintf("<me%d@example.org>", i))...)
	}
	done := h.Shutdown(context.Background(), 0)
	for _, m := range all {
		if got := m.Reply(); got != mtatest.Greylisted {
			t.Errorf("answer %q", got)
		}
		m.Closed()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Until the grace ends, sessions go on; at its end the idle ones are closed, and
// one that talks without end soon after.
func TestShutdownGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t)
		stranger, idle, begun := mtatest.On(t, h.Dial(t)), h.MTA(t).Greet(), h.MTA(t).Greet()
		began := time.Now()
		const grace = 10 * time.Second
		ends := make(chan time.Duration, 5)
		for _, m := range []*mtatest.MTA{stranger, idle} {
			go func() {
				m.Closed()
				ends <- time.Since(began)
			}()
		}
		for _, pause := range []time.Duration{listen.DrainTime / 100, time.Second} {
			talker := h.MTA(t).Greet()
			go func() {
				defer func() { ends <- time.Since(began) }()
				for {
					if _, err := talker.Conn.Write(mtatest.Frame(cmdAbort, "")); err != nil {
						return
					}
					time.Sleep(pause)
				}
			}()
		}
		go func() {
			mtatest.Drip(t, begun.Conn, mtatest.Frame(cmdMail, "<"+strings.Repeat("a", 100)+">\x00"))
			ends <- time.Since(began)
		}()
		done := h.Shutdown(context.Background(), grace)
		for range 5 {
			if passed := <-ends; passed < grace || passed > grace+2*listen.DrainTime {
				t.Errorf("a session ended after %v", passed)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// lateListener has accepted one more connection when it is closed.
type lateListener struct {
	*mtatest.Pipes
	late chan net.Conn
}

func (l *lateListener) Accept() (net.Conn, error) {
	c, err := l.Pipes.Accept()
	if err != nil {
		select {
		case c := <-l.late:
			return c, nil
		default:
		}
	}
	return c, err
}

// Until the grace ends, connections that were let in are served as ever: also one
// that was accepted in the moment in which the listeners were closed, and one that
// begins another SMTP session.
func TestShutdownServesPresentConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		l := &lateListener{mtatest.NewPipes(), make(chan net.Conn, 1)}
		h.On(t, l)
		ours, theirs := net.Pipe()
		l.late <- theirs
		again := h.MTA(t).Greet()
		done := h.Shutdown(context.Background(), time.Minute)
		synctest.Wait()
		again.QuitNC()
		late := mtatest.On(t, ours)
		late.Negotiate(6)
		for i, m := range []*mtatest.MTA{again, late} {
			m.Greet().Mail("a@example.net")
			if got := m.Rcpt(fmt.Sprintf("me%d@example.org", i)); got != mtatest.Greylisted {
				t.Errorf("answer %q", got)
			}
			m.Quit()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// When the context ends, all are closed, and nobody waits for a verdict any longer.
func TestShutdownHard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t, func(s *mtatest.Setup) { s.Policy.Timeout = time.Hour })
		arrived, _ := h.Store.Hold()
		judged, idle := h.MTA(t).Greet(), h.MTA(t).Greet()
		judged.Mail("a@example.net")
		judged.Send(cmdRcpt, mtatest.Strings("<me@example.org>")...)
		<-arrived
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := h.Server.Shutdown(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returned %v", err)
		}
		within(t, time.Since(began), 5*time.Second)
		judged.Closed()
		idle.Closed()
		synctest.Wait()
		if n := h.Limiter.Connections(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
		if line := h.Log.Last("decision"); line["reason"] != "error" || line["error"] != context.Canceled.Error() {
			t.Errorf("logged %v", line)
		}
	})
}

// Sessions that come and go, well or badly, and a server that ends, leave no
// goroutine behind.
func TestNothingIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	h := newFixture(t)
	for range 20 {
		h.MTA(t).Greet().Quit()
		m := h.MTA(t)
		m.Write(claim(0))
		m.Closed()
		_ = h.MTA(t).Conn.Close()
		mtatest.On(t, h.Dial(t))
	}
	h.Close(t)
	mtatest.Eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

func TestServeAfterShutdown(t *testing.T) {
	h := newFixture(t)
	h.Close(t)
	address := listen.Address{Network: "unix", Addr: filepath.Join(t.TempDir(), "late.sock")}
	l, err := listen.Listen(address, listen.SocketOwner{Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Server.Serve(l); err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if conn, err := net.Dial("unix", address.Addr); err == nil {
		_ = conn.Close()
		t.Error("the listener is still open")
	}
}

func TestServeSeveralListeners(t *testing.T) {
	h := newFixture(t)
	l, err := listen.Listen(listen.Address{Network: "tcp4", Addr: "127.0.0.1:0"}, listen.SocketOwner{})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- h.Server.Serve(l) }()
	tcp := mtatest.On(t, mtatest.Dial(t, listen.Address{Network: "tcp4", Addr: l.Addr().String()}))
	tcp.Negotiate(6)
	tcp.Greet()
	unix := h.MTA(t).Greet()
	if n := h.Limiter.Connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
	tcp.Quit()
	unix.Quit()
	h.Close(t)
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}
