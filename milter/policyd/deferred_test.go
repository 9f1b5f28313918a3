package policyd

import (
	"fmt"
	"sync"
	"testing"

	"greyglass/milter/mtatest"
)

const endOfMessage = "END-OF-MESSAGE"

// Postfix's smtpd processes, and each of Exim's requests, have a connection of
// their own; the instance alone says what belongs together.
func TestInstancesOnManyConnections(t *testing.T) {
	h := newFixture(t)
	var clients sync.WaitGroup
	for i := range 20 {
		clients.Go(func() {
			instance := fmt.Sprint("i", i)
			for r := range 3 {
				if got := h.Ask(t, mtatest.Bounce("RCPT", instance, fmt.Sprintf("r%d-%d@example.org", i, r))...); got != dunno {
					t.Errorf("action %q", got)
				}
			}
			if got := h.Ask(t, mtatest.Bounce("DATA", instance, "")...); got != mtatest.Greylisted {
				t.Errorf("action %q at DATA", got)
			}
		})
	}
	clients.Wait()
	if lines, rows := len(h.Log.All("decision")), len(h.Remembered(t)); lines != 60 || rows != 60 {
		t.Errorf("%d decisions are logged, %d triplets remembered; want 60", lines, rows)
	}
}

// Without an instance, only the request has the message's recipients.
func TestWithoutInstance(t *testing.T) {
	h := newFixture(t)
	client := h.Policy(t)
	for _, without := range []string{"-instance", "instance="} {
		h.Store.Clear(t)
		h.Log.Clear()
		request := func(state, recipient string) []string {
			return append(mtatest.Bounce(state, "", recipient), without)
		}
		for _, step := range []struct{ state, recipient, action string }{
			{"RCPT", "me@example.org", dunno},
			{"DATA", "", dunno}, // it had several: answered by on_error
			{"DATA", "me@example.org", mtatest.Greylisted},
			{endOfMessage, "you@example.org", mtatest.Greylisted},
		} {
			if got := client.Ask(request(step.state, step.recipient)...); got != step.action {
				t.Errorf("%s %s: action %q, want %q", step.state, step.recipient, got, step.action)
			}
		}
		if n := len(h.Log.All("decision")); n != 3 {
			t.Errorf("%d decisions are logged", n)
		}
	}

	// What RCPT has answered is not asked again at DATA.
	for _, c := range [][]string{{"client_address=127.0.0.1"}, {"sasl_username=bob"}, {"sender=a@example.net"}} {
		h.Log.Clear()
		if got := client.Ask(append(mtatest.Bounce("DATA", "", "me@example.org"), c...)...); got != dunno {
			t.Errorf("%v: action %q", c, got)
		}
		if lines := h.Log.All("decision"); lines != nil {
			t.Errorf("%v: logged %v", c, lines)
		}
	}
}

// A policy client that uses an instance for more than one message, which it
// should not, does not hand the refusal of the one on to the other.
func TestInstanceUsedAgain(t *testing.T) {
	h := newFixture(t)
	client := h.Policy(t)
	client.Ask(mtatest.Bounce("RCPT", "session", "me@example.org")...)
	if got := client.Ask(mtatest.Bounce("DATA", "session", "")...); got != mtatest.Greylisted {
		t.Errorf("action %q at DATA", got)
	}
	for _, other := range []string{"sender=bob@example.net", "client_address=198.51.100.1"} {
		if got := client.Ask(append(mtatest.Bounce("DATA", "session", ""), other)...); got != dunno {
			t.Errorf("%s: action %q at DATA", other, got)
		}
	}
}
