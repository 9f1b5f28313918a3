package milter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// shutdownPolicy shuts the house in the background.
func (h *policyHouse) shutdownPolicy(ctx context.Context, grace time.Duration) <-chan error {
	done := make(chan error, 1)
	go func() { done <- h.policy.Shutdown(ctx, grace) }()
	return done
}

// Every request that was received is answered, however the daemon is stopped: the
// one that is being judged, those that were read with it, and those that still
// wait in the socket.
func TestPolicyShutdownAnswersWhatWasReceived(t *testing.T) {
	for _, c := range []struct {
		name     string
		requests int
		length   int // of each, at least
	}{
		{"being judged", 1, 0},
		{"buffered", 3, 0},
		{"in the socket", 20, 2 * readBuffer},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newPolicyHouse(t)
			arrived, release := h.memory.hold()
			client := h.dial(t)
			var all strings.Builder
			for i := range c.requests {
				all.WriteString(postfixRequest(fmt.Sprintf("recipient=me%d@example.org", i), "padding="+strings.Repeat("x", c.length)))
			}
			client.write(all.String())
			<-arrived
			done := h.shutdownPolicy(t.Context(), 0)
			eventually(t, "the listener is closed", func() bool {
				conn, err := net.Dial("unix", h.address.Addr)
				if err == nil {
					_ = conn.Close()
				}
				return err != nil
			})
			close(release)
			for i := range c.requests {
				if got := client.answer(); got != greylisted {
					t.Errorf("request %d: action %q", i, got)
				}
			}
			client.closed()
			if err := <-done; err != nil {
				t.Error(err)
			}
			h.end(t)
		})
	}
}

// What came in the last moment, before the session had a look, is answered too.
func TestPolicyShutdownAnswersWhatJustCame(t *testing.T) {
	h := newPolicyHouse(t)
	all := make([]*policyClient, 20)
	for i := range all {
		all[i] = h.dial(t)
		all[i].ask("protocol_state=MAIL")
	}
	for i, client := range all {
		client.write(postfixRequest(fmt.Sprintf("recipient=me%d@example.org", i)))
	}
	done := h.shutdownPolicy(t.Context(), 0)
	for _, client := range all {
		if got := client.answer(); got != greylisted {
			t.Errorf("action %q", got)
		}
		client.closed()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Until the grace ends, clients go on asking; at its end the idle ones are
// closed, and one that asks without end soon after.
func TestPolicyShutdownGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPolicyPipeHouse(t)
		stranger, idle, begun, talker := h.dial(t), h.dial(t), h.dial(t), h.dial(t)
		for _, client := range []*policyClient{idle, begun, talker} {
			client.ask()
		}
		began := time.Now()
		const grace = 10 * time.Second
		ends := make(chan time.Duration)
		for _, client := range []*policyClient{stranger, idle} {
			go func() {
				client.closed()
				ends <- time.Since(began)
			}()
		}
		go func() { ends <- begun.drip(postfixRequest()) }()
		go func() {
			for {
				if _, err := io.WriteString(talker.conn, postfixRequest()); err != nil {
					break
				}
				if _, err := talker.in.ReadString('\n'); err != nil {
					break
				}
				_, _ = talker.in.ReadString('\n')
				time.Sleep(lastGlance / 5)
			}
			ends <- time.Since(began)
		}()
		done := h.shutdownPolicy(t.Context(), grace)
		for range 4 {
			if passed := <-ends; passed < grace || passed > grace+2*lastWords {
				t.Errorf("a connection ended after %v", passed)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		h.end(t)
	})
}

// When the context ends, all are closed, and nobody waits for a verdict any longer.
func TestPolicyShutdownHard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPolicyPipeHouse(t, func(f *furniture) { f.policy.Timeout = time.Hour })
		arrived, _ := h.memory.hold()
		judged, idle := h.dial(t), h.dial(t)
		idle.ask("protocol_state=MAIL")
		judged.write(postfixRequest())
		<-arrived
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := h.policy.Shutdown(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returned %v", err)
		}
		within(t, time.Since(began), 5*time.Second)
		judged.closed()
		idle.closed()
		synctest.Wait()
		h.end(t)
		if line := h.log.last("decision"); line["reason"] != "error" || line["error"] != context.Canceled.Error() {
			t.Errorf("logged %v", line)
		}
	})
}

// A connection that is accepted in the very moment of the shutdown is waited for
// like any other.
func TestPolicyShutdownWhileConnecting(t *testing.T) {
	for range 10 {
		h := newPolicyHouse(t)
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				if conn, err := net.Dial("unix", h.address.Addr); err == nil {
					defer conn.Close()
					_, _ = io.WriteString(conn, postfixRequest())
					_, _ = io.ReadAll(conn)
				}
			})
		}
		runtime.Gosched()
		h.close(t)
		callers.Wait()
	}
}

func TestPolicyServeAfterShutdown(t *testing.T) {
	h := newPolicyHouse(t)
	h.close(t)
	l, err := Listen(Address{"tcp4", "127.0.0.1:0"}, SocketOwner{})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.policy.Serve(l); err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if conn, err := net.Dial("tcp4", l.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("the listener is still open")
	}
}

// A listener that somebody else closes ends Serve with an error.
func TestPolicyListenerClosed(t *testing.T) {
	h := buildPolicyHouse(t, nil)
	l, err := Listen(Address{"tcp4", "127.0.0.1:0"}, SocketOwner{})
	if err != nil {
		t.Fatal(err)
	}
	go func() { h.served <- h.policy.Serve(l) }()
	client := dialPolicy(t, Address{"tcp4", l.Addr().String()})
	client.ask()
	_ = l.Close()
	if err := <-h.served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve returned %v", err)
	}
	if got := client.ask("recipient=you@example.org"); got != greylisted { // who is inside stays
		t.Errorf("action %q", got)
	}
	if err := <-h.shutdownPolicy(t.Context(), 0); err != nil {
		t.Error(err)
	}
	client.closed()
}

// Clients that come and go, well or badly, and a server that ends, leave no
// goroutine behind.
func TestPolicyNothingIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	h := newPolicyHouse(t)
	for range 20 {
		h.ask(t)
		bad := h.dial(t)
		bad.write("what?\n\n")
		_ = bad.answer()
		half := h.dial(t)
		half.write("request=")
		_ = half.conn.Close()
		h.dial(t) // and says nothing
	}
	h.close(t)
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}
