package policyd

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/milter/deferred"
	"greyglass/milter/mtatest"
)

// A message whose recipients are not known any more is never let in unjudged
// without a line: it is judged by the recipient that DATA names or, where it names
// none, answered by on_error.
func TestForgottenMessages(t *testing.T) {
	for name, forget := range map[string]func(*Server, *mtatest.Clock){
		"too old":   func(_ *Server, clock *mtatest.Clock) { clock.Advance(int64(messageLife / time.Second)) },
		"restarted": func(s *Server, _ *mtatest.Clock) { *s.messages = *newMessages(s.messages.now, s.messages.log) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newFixture(t, func(s *mtatest.Setup) { s.Policy.OnError = greylist.Defer })
			client := h.Policy(t)
			for _, c := range []struct {
				recipients       []string
				named, want, why string
			}{
				{[]string{"me@example.org"}, "me@example.org", mtatest.Greylisted, "not-seen-before"},
				{[]string{"a@example.org", "b@example.org"}, "", "451 4.3.0 Temporary error, please try again later", "error"},
			} {
				instance := c.why
				for _, r := range c.recipients {
					if got := client.Ask(mtatest.Bounce("RCPT", instance, r)...); got != dunno {
						t.Errorf("action %q at RCPT", got)
					}
				}
				forget(h.Server.(*Server), h.Clock)
				if got := client.Ask(mtatest.Bounce("DATA", instance, c.named)...); got != c.want {
					t.Errorf("action %q, want %q", got, c.want)
				}
				if line := h.Log.Last("decision"); line["reason"] != c.why || line["via"] != "policy" {
					t.Errorf("logged %v", line)
				}
			}
			if n := len(h.Log.All("decision")); n != 2 {
				t.Errorf("%d decisions are logged", n)
			}
			client.Ask("protocol_state=DATA", "instance=unknown", "recipient=") // of a sender who is judged at RCPT
			if n := len(h.Log.All("decision")); n != 2 {
				t.Errorf("%d decisions are logged", n)
			}
		})
	}
}

// A message is kept for hours, as long as a client can keep its session.
func TestMessagesAreKept(t *testing.T) {
	h := newFixture(t)
	client := h.Policy(t)
	client.Ask(mtatest.Bounce("RCPT", "slow", "me@example.org")...)
	client.Ask(mtatest.Bounce("RCPT", "slow", "you@example.org")...)
	h.Clock.Advance(11 * 3600)
	if got := client.Ask(mtatest.Bounce("DATA", "slow", "")...); got != mtatest.Greylisted {
		t.Errorf("action %q", got)
	}
	if n := len(h.Log.All("decision")); n != 2 {
		t.Errorf("%d decisions are logged", n)
	}
}

// What is kept is bounded, over all messages; the oldest make room, and that is said
// once until there is room again.
func TestMessagesAreBounded(t *testing.T) {
	h := build(t)
	s := h.Server.(*Server)
	long := strings.Repeat("r", 2500)
	for i := range 5000 {
		s.recipient(&request{instance: fmt.Sprint(i), clientAddress: "192.0.2.7", clientName: long, recipient: fmt.Sprint(i, long, "@example.org")})
	}
	used, n := s.messages.octets+s.messages.room.Used(), s.messages.byAge.Len()
	if used > deferred.MaxRoom || used < int64(n)*5000 {
		t.Errorf("%d octets are counted", used)
	}
	if n < 1000 || n != len(s.messages.byInstance) {
		t.Errorf("%d messages are kept", n)
	}
	const full = "too many messages wait for DATA"
	if n := len(h.Log.All(full)); n != 1 {
		t.Errorf("said %d times", n)
	}
	for _, c := range []struct{ instance, reason string }{{"0", "error"}, {"4999", "not-seen-before"}} {
		s.message(&request{instance: c.instance, clientAddress: "192.0.2.7"})
		if line := h.Log.Last("decision"); line["reason"] != c.reason {
			t.Errorf("message %s: logged %v", c.instance, line)
		}
	}
	h.Clock.Advance(int64(messageLife / time.Second))
	s.messages.lock(&request{}, false)
	if n, used := s.messages.byAge.Len(), s.messages.octets+s.messages.room.Used(); n != 0 || used != 0 {
		t.Errorf("%d messages of %d octets are kept after their time", n, used)
	}
}

// Requests about one message that come at the same time share it.
func TestOneMessageForAnInstance(t *testing.T) {
	h := build(t)
	s := h.Server.(*Server)
	const recipients = 8
	for i := range 100 {
		var wg sync.WaitGroup
		for n := range recipients {
			wg.Go(func() {
				s.recipient(&request{instance: fmt.Sprint(i), clientAddress: "192.0.2.7", recipient: fmt.Sprint(n, "@example.org")})
			})
		}
		wg.Wait()
		s.message(&request{instance: fmt.Sprint(i), clientAddress: "192.0.2.7"})
	}
	if n := len(h.Log.All("decision")); n != 100*recipients {
		t.Errorf("%d of %d recipients were judged", n, 100*recipients)
	}
}

// A message that is dropped while a request has found it keeps no memory, and its
// request is answered as one whose message is unknown.
func TestMessagesAreDroppedWhileFound(t *testing.T) {
	h := build(t)
	s := h.Server.(*Server)
	dropAll := func() {
		s.messages.mu.Lock()
		defer s.messages.mu.Unlock()
		for oldest := s.messages.byAge.Front(); oldest != nil; oldest = s.messages.byAge.Front() {
			s.messages.drop(oldest)
		}
	}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 300 {
				r := &request{instance: fmt.Sprint(i % 3), clientAddress: "192.0.2.7", recipient: fmt.Sprint(n, "@example.org")}
				s.recipient(r)
				if answer := s.message(r); !answer.Refuses() {
					t.Errorf("the message is accepted: %+v", answer)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { defer close(done); wg.Wait() }()
	for running := true; running; dropAll() {
		select {
		case <-done:
			running = false
		default:
		}
	}
	// A message that was dropped while it was judged is released by a goroutine.
	for began := time.Now(); s.messages.octets+s.messages.room.Used() != 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > mtatest.Timeout {
			t.Fatalf("%d octets are kept of no message", s.messages.octets+s.messages.room.Used())
		}
	}
}

// A message whose recipients wait for DATA is judged there also if its sender is no
// prober any more.
func TestProberRemovedBeforeData(t *testing.T) {
	h := newFixture(t, func(s *mtatest.Setup) {
		s.Policy.Probes = mtatest.Patterns(t, address.Senders, "probe@example.net")
	})
	client := h.Policy(t)
	ask := func(state string) string {
		return client.Ask("protocol_state="+state, "instance=one", "client_address=192.0.2.7", "sender=probe@example.net", "recipient=me@example.org")
	}
	if got := ask("RCPT"); got != "DUNNO" {
		t.Fatalf("action %q", got)
	}
	changed := *h.Judge.Policy()
	changed.Probes = mtatest.Patterns(t, address.Senders)
	h.Judge.Adopt(&changed)
	if got := ask("DATA"); got != mtatest.Greylisted {
		t.Errorf("action %q", got)
	}
}

// A message that is not known is answered once, however many requests there are at and
// behind DATA; on_error answers also if a rule fails.
func TestUnknownMessageIsAnsweredOnce(t *testing.T) {
	h := newFixture(t, func(s *mtatest.Setup) {
		s.Policy.OnError = greylist.Defer
		s.Policy.Proving = greylist.Proving{After: 2, MaxGrey: s.Policy.Windows.MaxGrey}
	})
	client := h.Policy(t)
	for name, c := range map[string]struct {
		recipient, action string
		fails             error
	}{
		"several recipients":  {"", "451 4.3.0 Temporary error, please try again later", nil},
		"a rule fails":        {"me@example.org", "451 4.3.0 Temporary error, please try again later", errors.New("disk full")},
		"the greylist judges": {"me@example.org", mtatest.Greylisted, nil},
	} {
		h.Log.Clear()
		h.Store.Fail(c.fails)
		for _, state := range []string{"DATA", endOfMessage} {
			if got := client.Ask(mtatest.Bounce(state, name, c.recipient)...); got != c.action {
				t.Errorf("%s, %s: action %q, want %q", name, state, got, c.action)
			}
		}
		if n := len(h.Log.All("decision")); n != 1 {
			t.Errorf("%s: %d decisions are logged", name, n)
		}
	}
}
