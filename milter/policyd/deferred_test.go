package policyd

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/milter/mtatest"
)

const endOfMessage = "END-OF-MESSAGE"

// Senders of callouts are not deferred at RCPT, where a callout ends, but at the
// first of DATA and END-OF-MESSAGE, and are judged once.
func TestCallouts(t *testing.T) {
	for _, sender := range []string{"", "<>", "double-bounce@example.net"} {
		for _, states := range [][]string{{"DATA", endOfMessage}, {"DATA"}, {endOfMessage}} {
			t.Run(fmt.Sprintf("<%s> %s", sender, strings.Join(states, " ")), func(t *testing.T) {
				h := newFixture(t, func(s *mtatest.Setup) {
					s.Policy.Probes = mtatest.Patterns(t, address.Senders, "double-bounce@example.net")
					s.Rules.WhitelistedTriples = [][]string{{"192.0.2", "*", "always@example.org"}}
				})
				client := h.Policy(t)
				offer := func(instance string, recipients ...string) {
					t.Helper()
					for _, r := range recipients {
						if got := client.Ask("sender="+sender, "instance="+instance, "recipient="+r); got != dunno {
							t.Errorf("%s: action %q at RCPT", r, got)
						}
					}
				}
				// Postfix names no recipient there if there are several, and has the queue ID.
				end := func(state, instance string) string {
					return client.Ask("protocol_state="+state, "sender="+sender, "instance="+instance, "recipient=", "queue_id=Q"+instance)
				}

				offer("1", "me@example.org") // a callout: it leaves nothing
				if lines, rows := h.Log.All("decision"), len(h.Remembered(t)); len(lines) != 0 || rows != 0 {
					t.Errorf("a callout leaves %v in the log and %d triplets", lines, rows)
				}
				offer("2", "me@example.org")
				if got := end(states[0], "2"); got != mtatest.Greylisted {
					t.Errorf("action %q, want %q", got, mtatest.Greylisted)
				}
				h.Judged(t, greylist.ReasonNotSeenBefore, greylist.Defer)

				// The message waits as long as any recipient of it must.
				h.Clock.Advance(600)
				offer("3", "me@example.org", "always@example.org", "you@example.org")
				if got := end(states[0], "3"); got != mtatest.Greylisted {
					t.Errorf("action %q, want %q", got, mtatest.Greylisted)
				}
				lines := h.Log.All("decision")
				var about []string
				for _, line := range lines[1:] {
					about = append(about, line["recipient"]+" "+line["reason"]+" "+line["queue_id"])
				}
				want := []string{"always@example.org whitelisted-triple ", "me@example.org too-soon Q3", "you@example.org not-seen-before Q3"}
				if slices.Sort(about); !slices.Equal(about, want) {
					t.Errorf("logged %q, want %q", about, want)
				}

				h.Clock.Advance(3600)
				offer("4", "me@example.org", "you@example.org")
				for _, state := range states {
					if got := end(state, "4"); got != dunno {
						t.Errorf("action %q at %s", got, state)
					}
				}
				if n := len(h.Log.All("decision")); n != 6 {
					t.Errorf("%d decisions are logged, want 6", n)
				}
				want = []string{"192.0.2.7 <> me@example.org", "192.0.2.7 <> you@example.org"}
				if sender == "double-bounce@example.net" {
					want = []string{"192.0.2.7 double-bounce@example.net me@example.org", "192.0.2.7 double-bounce@example.net you@example.org"}
				}
				if got := h.Remembered(t); !slices.Equal(got, want) {
					t.Errorf("remembered %v", got)
				}
			})
		}
	}
}

// A recipient that a rule has an answer for has it at RCPT, also in a bounce.
func TestRulesBeforeData(t *testing.T) {
	h := newFixture(t, func(s *mtatest.Setup) {
		s.Rules.Blocked = mtatest.Patterns(t, address.Senders, "<>")
		s.Rules.Exceptions = mtatest.Patterns(t, address.Recipients, "postmaster")
	})
	client := h.Policy(t)
	if got := client.Ask(mtatest.Bounce("RCPT", "1", "me@example.org")...); got != "451 4.2.2 Mailbox full, retry later" {
		t.Errorf("action %q", got)
	}
	if got := client.Ask(mtatest.Bounce("RCPT", "1", "postmaster@example.org")...); got != dunno {
		t.Errorf("action %q", got)
	}
	if got := client.Ask(mtatest.Bounce("DATA", "1", "")...); got != dunno {
		t.Errorf("action %q at DATA", got)
	}
	if n := len(h.Log.All("decision")); n != 2 {
		t.Errorf("%d decisions are logged", n)
	}
}

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

// Without an instance, nobody knows the message's recipients but the request.
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

// TestObserveRefusesNoRecipient: where the greylist only observes, a bounce may have
// more recipients than are kept.
func TestObserveRefusesNoRecipient(t *testing.T) {
	h := newFixture(t, func(s *mtatest.Setup) { s.Limits.Recipients, s.Policy.Observe = 2, true })
	client := h.Policy(t)
	for i := range 4 {
		if got := client.Ask(mtatest.Bounce("RCPT", "1", fmt.Sprintf("me%d@example.org", i))...); got != dunno {
			t.Errorf("action %q for recipient %d", got, i)
		}
	}
	if got := client.Ask(mtatest.Bounce("DATA", "1", "")...); got != dunno {
		t.Errorf("action %q at DATA", got)
	}
}

func TestTooManyRecipientsLeft(t *testing.T) {
	h := newFixture(t, func(s *mtatest.Setup) { s.Limits.Recipients = 2 })
	client := h.Policy(t)
	for _, instance := range []string{"1", "2"} { // a new message may have as many again
		var got []string
		for i := range 4 {
			got = append(got, client.Ask(mtatest.Bounce("RCPT", instance, fmt.Sprintf("me%d@example.org", i), "queue_id=Q"+instance)...))
		}
		if want := []string{dunno, dunno, "452 4.5.3 Too many recipients", "452 4.5.3 Too many recipients"}; !slices.Equal(got, want) {
			t.Errorf("actions %q, want %q", got, want)
		}
		if got := client.Ask(mtatest.Bounce("DATA", instance, "")...); !strings.HasPrefix(got, "451 4.7.1 ") {
			t.Errorf("action %q at DATA", got)
		}
	}
	warnings := h.Log.All("limits.recipients")
	if len(warnings) != 2 {
		t.Fatalf("%d warnings, want one a message", len(warnings))
	}
	if got := warnings[1]; got["client"] != "192.0.2.7" || got["queue_id"] != "Q2" {
		t.Errorf("the warning says %v", got)
	}
	if n := len(h.Remembered(t)); n != 2 {
		t.Errorf("%d triplets are remembered", n)
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
