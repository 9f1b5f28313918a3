package mtatest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
)

// Every request that was received is answered, however the daemon is stopped: the one
// that is being judged, those that were read with it, and those that still wait in the
// socket.
func TestShutdownAnswersWhatWasReceived(t *testing.T) {
	for _, c := range []struct {
		name     string
		requests int
		length   int // of each recipient
	}{
		{"being judged", 1, 1},
		{"buffered", 3, 1},
		{"in the socket", 20, 4000},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, e frontEnd) {
				h := e.on(t)
				began, release := h.Store.Hold()
				w := e.begun(t, h)
				var all bytes.Buffer
				for n := range c.requests {
					all.Write(w.request(n, c.length))
				}
				w.send(all.Bytes())
				<-began
				done := h.Shutdown(t.Context(), 0)
				mtatest.Eventually(t, "the listener is closed", func() bool { return !answers(h.Address) })
				close(release)
				for range c.requests {
					w.greylisted()
				}
				w.closed()
				if err := <-done; err != nil {
					t.Error(err)
				}
				h.End(t)
			})
		})
	}
}

// answers reports whether the server listens.
func answers(at listen.Address) bool {
	conn, err := net.Dial(at.Network, at.Addr)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// What came in the last moment, before the session had a look, is answered too.
func TestShutdownAnswersWhatJustCame(t *testing.T) {
	each(t, func(t *testing.T, e frontEnd) {
		h := e.on(t)
		all := make([]*wire, 20)
		for i := range all {
			all[i] = e.begun(t, h)
		}
		// All sessions wait to read; what they get, and the shutdown, come at once.
		for i, w := range all {
			w.send(w.request(i, 1))
		}
		done := h.Shutdown(t.Context(), 0)
		for _, w := range all {
			w.greylisted()
			w.closed()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Until the grace ends, clients go on asking; at its end the idle ones are closed, and
// those that ask without end soon after.
func TestShutdownGrace(t *testing.T) {
	bubble(t, func(t *testing.T, e frontEnd) {
		h := e.build(t).OnPipes(t)
		silent, idle, begun := e.wire(t, h.Dial(t)), e.begun(t, h), e.begun(t, h)
		began := time.Now()
		const grace = 10 * time.Second
		ends := make(chan time.Duration, 5)
		for _, w := range []*wire{silent, idle} {
			go func() {
				w.closed()
				ends <- time.Since(began)
			}()
		}
		go func() {
			mtatest.Drip(t, begun.conn, begun.request(1, 100))
			ends <- time.Since(began)
		}()
		for _, pause := range []time.Duration{listen.DrainTime / 100, time.Second} {
			talker := e.begun(t, h)
			go func() {
				defer func() { ends <- time.Since(began) }()
				answer := make([]byte, 1000)
				for {
					if _, err := talker.conn.Write(talker.request(1, 1)); err != nil {
						return
					}
					if _, err := talker.conn.Read(answer); err != nil {
						return
					}
					time.Sleep(pause)
				}
			}()
		}
		done := h.Shutdown(t.Context(), grace)
		for range 5 {
			if passed := <-ends; passed < grace || passed > grace+2*listen.DrainTime {
				t.Errorf("a session ended after %v", passed)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		h.End(t)
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

// Until the grace ends, connections that were let in are served as ever: also one that
// was accepted in the moment in which the listeners were closed.
func TestShutdownServesPresentConnections(t *testing.T) {
	bubble(t, func(t *testing.T, e frontEnd) {
		h := e.build(t)
		l := &lateListener{mtatest.NewPipes(), make(chan net.Conn, 1)}
		h.On(t, l)
		ours, theirs := net.Pipe()
		l.late <- theirs
		present := e.begun(t, h)
		done := h.Shutdown(t.Context(), time.Minute)
		synctest.Wait()
		late := e.wire(t, ours)
		late.begin()
		for i, w := range []*wire{present, late} {
			w.offer(i)
			_ = w.conn.Close()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// When the context ends, all are closed, and none waits for a verdict any longer.
func TestShutdownHard(t *testing.T) {
	bubble(t, func(t *testing.T, e frontEnd) {
		h := e.build(t, func(s *mtatest.Setup) { s.Policy.Timeout = time.Hour }).OnPipes(t)
		held, _ := h.Store.Hold()
		judged, idle := e.begun(t, h), e.begun(t, h)
		judged.send(judged.request(1, 1))
		<-held
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := h.Server.Shutdown(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returned %v", err)
		}
		within(t, time.Since(began), 5*time.Second)
		judged.closed()
		idle.closed()
		synctest.Wait()
		h.End(t)
		if line := h.Log.Last("decision"); line["reason"] != "error" || line["error"] != context.Canceled.Error() {
			t.Errorf("logged %v", line)
		}
	})
}

// A connection that is accepted in the very moment of the shutdown is waited for like any
// other.
func TestShutdownWhileConnecting(t *testing.T) {
	each(t, func(t *testing.T, e frontEnd) {
		for range 10 {
			h := e.on(t)
			var callers sync.WaitGroup
			for range 4 {
				callers.Go(func() {
					if conn, err := net.Dial("unix", h.Address.Addr); err == nil {
						defer conn.Close()
						_, _ = conn.Write(e.wire(t, conn).first)
						_, _ = io.ReadAll(conn)
					}
				})
			}
			runtime.Gosched()
			h.Close(t)
			callers.Wait()
		}
	})
}

func TestServeAfterShutdown(t *testing.T) {
	each(t, func(t *testing.T, e frontEnd) {
		h := e.on(t)
		h.Close(t)
		l, at := loopback(t)
		if err := h.Server.Serve(l); err != nil {
			t.Errorf("Serve returned %v", err)
		}
		if answers(at) {
			t.Error("the listener is still open")
		}
	})
}

// loopback listens on a port of this machine.
func loopback(t *testing.T) (net.Listener, listen.Address) {
	t.Helper()
	l, err := listen.Listen(listen.Address{Network: "tcp4", Addr: "127.0.0.1:0"}, listen.SocketOwner{})
	if err != nil {
		t.Fatal(err)
	}
	return l, listen.Address{Network: "tcp4", Addr: l.Addr().String()}
}

// A listener that other code closes ends its Serve with an error; connections that are
// inside stay, and other listeners too. A shutdown ends every other Serve.
func TestSeveralListeners(t *testing.T) {
	each(t, func(t *testing.T, e frontEnd) {
		h := e.on(t)
		serve := func() (net.Listener, *wire, chan error) {
			l, at := loopback(t)
			served := make(chan error, 1)
			go func() { served <- h.Server.Serve(l) }()
			w := e.wire(t, mtatest.Dial(t, at))
			w.begin()
			return l, w, served
		}
		closed, first, firstServed := serve()
		_, second, secondServed := serve()
		third := e.begun(t, h)
		if n := h.Limiter.Connections(); n != 3 {
			t.Errorf("%d connections", n)
		}
		_ = closed.Close()
		if err := <-firstServed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve returned %v", err)
		}
		all := []*wire{first, second, third, e.begun(t, h)}
		for i, w := range all {
			w.offer(i)
		}
		h.Close(t)
		if err := <-secondServed; err != nil {
			t.Errorf("Serve returned %v", err)
		}
		for _, w := range all {
			w.closed()
		}
	})
}
