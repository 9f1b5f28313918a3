package policyd

import (
	"context"
	"errors"
	"fmt"
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Every request that was received is answered, however the daemon is stopped: the
// one that is being judged, those that were read with it, and those that still
// wait in the socket.
func TestShutdownAnswersWhatWasReceived(t *testing.T) {
	for _, c := range []struct {
		name     string
		requests int
		length   int // of each, at least
	}{
		{"being judged", 1, 0},
		{"buffered", 3, 0},
		{"in the socket", 20, 4096},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFixture(t)
			arrived, release := h.Store.Hold()
			client := h.Policy(t)
			var all strings.Builder
			for i := range c.requests {
				all.WriteString(mtatest.PostfixRequest(fmt.Sprintf("recipient=me%d@example.org", i), "padding="+strings.Repeat("x", c.length)))
			}
			client.Write(all.String())
			<-arrived
			done := h.Shutdown(t.Context(), 0)
			mtatest.Eventually(t, "the listener is closed", func() bool {
				conn, err := net.Dial("unix", h.Address.Addr)
				if err == nil {
					_ = conn.Close()
				}
				return err != nil
			})
			close(release)
			for i := range c.requests {
				if got := client.Answer(); got != mtatest.Greylisted {
					t.Errorf("request %d: action %q", i, got)
				}
			}
			client.Closed()
			if err := <-done; err != nil {
				t.Error(err)
			}
			h.End(t)
		})
	}
}

// What came in the last moment, before the session had a look, is answered too.
func TestShutdownAnswersWhatJustCame(t *testing.T) {
	h := newFixture(t)
	all := make([]*mtatest.PolicyClient, 20)
	for i := range all {
		all[i] = h.Policy(t)
		all[i].Ask("protocol_state=MAIL")
	}
	for i, client := range all {
		client.Write(mtatest.PostfixRequest(fmt.Sprintf("recipient=me%d@example.org", i)))
	}
	done := h.Shutdown(t.Context(), 0)
	for _, client := range all {
		if got := client.Answer(); got != mtatest.Greylisted {
			t.Errorf("action %q", got)
		}
		client.Closed()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Until the grace ends, clients go on asking; at its end the idle ones are
// closed, and one that asks without end soon after.
func TestShutdownGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t)
		stranger, idle, begun, talker := h.Policy(t), h.Policy(t), h.Policy(t), h.Policy(t)
		for _, client := range []*mtatest.PolicyClient{idle, begun, talker} {
			client.Ask()
		}
		began := time.Now()
		const grace = 10 * time.Second
		ends := make(chan time.Duration)
		for _, client := range []*mtatest.PolicyClient{stranger, idle} {
			go func() {
				client.Closed()
				ends <- time.Since(began)
			}()
		}
		go func() { ends <- mtatest.Drip(t, begun.Conn, []byte(mtatest.PostfixRequest())) }()
		go func() {
			for {
				if _, err := io.WriteString(talker.Conn, mtatest.PostfixRequest()); err != nil {
					break
				}
				if _, err := talker.In.ReadString('\n'); err != nil {
					break
				}
				_, _ = talker.In.ReadString('\n')
				time.Sleep(listen.DrainTime / 100)
			}
			ends <- time.Since(began)
		}()
		done := h.Shutdown(t.Context(), grace)
		for range 4 {
			if passed := <-ends; passed < grace || passed > grace+2*listen.DrainTime {
				t.Errorf("a connection ended after %v", passed)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		h.End(t)
	})
}

// When the context ends, all are closed, and nobody waits for a verdict any longer.
func TestShutdownHard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t, func(s *mtatest.Setup) { s.Policy.Timeout = time.Hour })
		arrived, _ := h.Store.Hold()
		judged, idle := h.Policy(t), h.Policy(t)
		idle.Ask("protocol_state=MAIL")
		judged.Write(mtatest.PostfixRequest())
		<-arrived
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := h.Server.Shutdown(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returned %v", err)
		}
		within(t, time.Since(began), 5*time.Second)
		judged.Closed()
		idle.Closed()
		synctest.Wait()
		h.End(t)
		if line := h.Log.Last("decision"); line["reason"] != "error" || line["error"] != context.Canceled.Error() {
			t.Errorf("logged %v", line)
		}
	})
}

// A connection that is accepted in the very moment of the shutdown is waited for
// like any other.
func TestShutdownWhileConnecting(t *testing.T) {
	for range 10 {
		h := newFixture(t)
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				if conn, err := net.Dial("unix", h.Address.Addr); err == nil {
					defer conn.Close()
					_, _ = io.WriteString(conn, mtatest.PostfixRequest())
					_, _ = io.ReadAll(conn)
				}
			})
		}
		runtime.Gosched()
		h.Close(t)
		callers.Wait()
	}
}

func TestServeAfterShutdown(t *testing.T) {
	h := newFixture(t)
	h.Close(t)
	l, err := listen.Listen(listen.Address{Network: "tcp4", Addr: "127.0.0.1:0"}, listen.SocketOwner{})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Server.Serve(l); err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if conn, err := net.Dial("tcp4", l.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("the listener is still open")
	}
}

// A listener that somebody else closes ends Serve with an error.
func TestListenerClosed(t *testing.T) {
	h := build(t)
	l, err := listen.Listen(listen.Address{Network: "tcp4", Addr: "127.0.0.1:0"}, listen.SocketOwner{})
	if err != nil {
		t.Fatal(err)
	}
	go func() { h.Served <- h.Server.Serve(l) }()
	client := mtatest.PolicyOn(t, mtatest.Dial(t, listen.Address{Network: "tcp4", Addr: l.Addr().String()}))
	client.Ask()
	_ = l.Close()
	if err := <-h.Served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve returned %v", err)
	}
	if got := client.Ask("recipient=you@example.org"); got != mtatest.Greylisted { // who is inside stays
		t.Errorf("action %q", got)
	}
	if err := <-h.Shutdown(t.Context(), 0); err != nil {
		t.Error(err)
	}
	client.Closed()
}

// Clients that come and go, well or badly, and a server that ends, leave no
// goroutine behind.
func TestNothingIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	h := newFixture(t)
	for range 20 {
		h.Ask(t)
		bad := h.Policy(t)
		bad.Write("what?\n\n")
		_ = bad.Answer()
		half := h.Policy(t)
		half.Write("request=")
		_ = half.Conn.Close()
		h.Policy(t) // and says nothing
	}
	h.Close(t)
	mtatest.Eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}
