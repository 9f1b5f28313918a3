package milter

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// bounce is a request about a message of the null sender, by its instance.
func bounce(state, instance, recipient string, more ...string) []string {
	return append([]string{"protocol_state=" + state, "sender=", "instance=" + instance, "recipient=" + recipient}, more...)
}

const endOfMessage = "END-OF-MESSAGE"

// Senders of callouts are not deferred at RCPT, where a callout ends, but at the
// first of DATA and END-OF-MESSAGE, and are judged once.
func TestPolicyCallouts(t *testing.T) {
	for _, sender := range []string{"", "<>", "double-bounce@example.net"} {
		for _, states := range [][]string{{"DATA", endOfMessage}, {"DATA"}, {endOfMessage}} {
			t.Run(fmt.Sprintf("<%s> %s", sender, strings.Join(states, " ")), func(t *testing.T) {
				h := newPolicyHouse(t, func(f *furniture) {
					f.policy.Probes = patterns(t, address.Senders, "double-bounce@example.net")
					f.rules.WhitelistedTriples = [][]string{{"192.0.2", "*", "always@example.org"}}
				})
				client := h.dial(t)
				offer := func(instance string, recipients ...string) {
					t.Helper()
					for _, r := range recipients {
						if got := client.ask("sender="+sender, "instance="+instance, "recipient="+r); got != dunno {
							t.Errorf("%s: action %q at RCPT", r, got)
						}
					}
				}
				// Postfix names no recipient there if there are several, and has the queue ID.
				end := func(state, instance string) string {
					return client.ask("protocol_state="+state, "sender="+sender, "instance="+instance, "recipient=", "queue_id=Q"+instance)
				}

				offer("1", "me@example.org") // a callout: it leaves nothing
				if lines, rows := h.log.all("decision"), h.memory.size(); len(lines) != 0 || rows != 0 {
					t.Errorf("a callout leaves %v in the log and %d triplets", lines, rows)
				}
				offer("2", "me@example.org")
				if got := end(states[0], "2"); got != greylisted {
					t.Errorf("action %q, want %q", got, greylisted)
				}
				h.judged(t, greylist.ReasonNotSeenBefore, greylist.Defer)

				// The message waits as long as any recipient of it must.
				h.clock.advance(600)
				offer("3", "me@example.org", "always@example.org", "you@example.org")
				if got := end(states[0], "3"); got != greylisted {
					t.Errorf("action %q, want %q", got, greylisted)
				}
				lines := h.log.all("decision")
				var about []string
				for _, line := range lines[1:] {
					about = append(about, line["recipient"]+" "+line["reason"]+" "+line["queue_id"])
				}
				want := []string{"always@example.org whitelisted-triple ", "me@example.org too-soon Q3", "you@example.org not-seen-before Q3"}
				if slices.Sort(about); !slices.Equal(about, want) {
					t.Errorf("logged %q, want %q", about, want)
				}

				h.clock.advance(3600)
				offer("4", "me@example.org", "you@example.org")
				for _, state := range states {
					if got := end(state, "4"); got != dunno {
						t.Errorf("action %q at %s", got, state)
					}
				}
				if n := len(h.log.all("decision")); n != 6 {
					t.Errorf("%d decisions are logged, want 6", n)
				}
				want = []string{"192.0.2.7 <> me@example.org", "192.0.2.7 <> you@example.org"}
				if sender == "double-bounce@example.net" {
					want = []string{"192.0.2.7 double-bounce@example.net me@example.org", "192.0.2.7 double-bounce@example.net you@example.org"}
				}
				if got := h.memory.triplets(); !slices.Equal(got, want) {
					t.Errorf("remembered %v", got)
				}
			})
		}
	}
}

// A recipient that a rule has an answer for has it at RCPT, also in a bounce.
func TestPolicyRulesBeforeData(t *testing.T) {
	h := newPolicyHouse(t, func(f *furniture) {
		f.rules.Blocked = patterns(t, address.Senders, "<>")
		f.rules.Exceptions = patterns(t, address.Recipients, "postmaster")
	})
	client := h.dial(t)
	if got := client.ask(bounce("RCPT", "1", "me@example.org")...); got != "451 4.2.2 Mailbox full, retry later" {
		t.Errorf("action %q", got)
	}
	if got := client.ask(bounce("RCPT", "1", "postmaster@example.org")...); got != dunno {
		t.Errorf("action %q", got)
	}
	if got := client.ask(bounce("DATA", "1", "")...); got != dunno {
		t.Errorf("action %q at DATA", got)
	}
	if n := len(h.log.all("decision")); n != 2 {
		t.Errorf("%d decisions are logged", n)
	}
}

// Postfix's smtpd processes, and each of Exim's requests, have a connection of
// their own; the instance alone says what belongs together.
func TestPolicyInstancesOnManyConnections(t *testing.T) {
	h := newPolicyHouse(t)
	var clients sync.WaitGroup
	for i := range 20 {
		clients.Go(func() {
			instance := fmt.Sprint("i", i)
			for r := range 3 {
				if got := h.ask(t, bounce("RCPT", instance, fmt.Sprintf("r%d-%d@example.org", i, r))...); got != dunno {
					t.Errorf("action %q", got)
				}
			}
			if got := h.ask(t, bounce("DATA", instance, "")...); got != greylisted {
				t.Errorf("action %q at DATA", got)
			}
		})
	}
	clients.Wait()
	if lines, rows := len(h.log.all("decision")), h.memory.size(); lines != 60 || rows != 60 {
		t.Errorf("%d decisions are logged, %d triplets remembered; want 60", lines, rows)
	}
}

// Without an instance, nobody knows the message's recipients but the request.
func TestPolicyWithoutInstance(t *testing.T) {
	h := newPolicyHouse(t)
	client := h.dial(t)
	for _, without := range []string{"-instance", "instance="} {
		h.memory.clear()
		h.log.clear()
		request := func(state, recipient string) []string {
			return append(bounce(state, "", recipient), without)
		}
		for _, step := range []struct{ state, recipient, action string }{
			{"RCPT", "me@example.org", dunno},
			{"DATA", "", dunno}, // it had several
			{"DATA", "me@example.org", greylisted},
			{endOfMessage, "you@example.org", greylisted},
		} {
			if got := client.ask(request(step.state, step.recipient)...); got != step.action {
				t.Errorf("%s %s: action %q, want %q", step.state, step.recipient, got, step.action)
			}
		}
		if n := len(h.log.all("decision")); n != 2 {
			t.Errorf("%d decisions are logged", n)
		}
	}

	// What RCPT has answered is not asked again at DATA.
	for _, c := range [][]string{{"client_address=127.0.0.1"}, {"sasl_username=bob"}, {"sender=a@example.net"}} {
		h.log.clear()
		if got := client.ask(append(bounce("DATA", "", "me@example.org"), c...)...); got != dunno {
			t.Errorf("%v: action %q", c, got)
		}
		if lines := h.log.all("decision"); lines != nil {
			t.Errorf("%v: logged %v", c, lines)
		}
	}
}

func TestPolicyTooManyRecipientsLeft(t *testing.T) {
	h := newPolicyHouse(t, func(f *furniture) { f.limits.Recipients = 2 })
	client := h.dial(t)
	for _, instance := range []string{"1", "2"} { // a new message may have as many again
		var got []string
		for i := range 4 {
			got = append(got, client.ask(bounce("RCPT", instance, fmt.Sprintf("me%d@example.org", i), "queue_id=Q"+instance)...))
		}
		if want := []string{dunno, dunno, "452 4.5.3 Too many recipients", "452 4.5.3 Too many recipients"}; !slices.Equal(got, want) {
			t.Errorf("actions %q, want %q", got, want)
		}
		if got := client.ask(bounce("DATA", instance, "")...); !strings.HasPrefix(got, "451 4.7.1 ") {
			t.Errorf("action %q at DATA", got)
		}
	}
	warnings := h.log.all("limits.recipients")
	if len(warnings) != 2 {
		t.Fatalf("%d warnings, want one a message", len(warnings))
	}
	if got := warnings[1]; got["client"] != "192.0.2.7" || got["queue_id"] != "Q2" {
		t.Errorf("the warning says %v", got)
	}
	if n := h.memory.size(); n != 2 {
		t.Errorf("%d triplets are remembered", n)
	}
}

// After a refused DATA Postfix keeps the message: a client that just says DATA
// again is not let in, and is not judged again.
func TestRefusedDataAgain(t *testing.T) {
	const soon = "451 4.7.1 Greylisted, please try again in 50 minutes"
	type asker struct {
		rcpt func(recipient string) string
		data func() string
		next func() // message
	}
	try := func(t *testing.T, h *house, accepted string, a asker) {
		t.Helper()
		says := func(what, got, want string, decisions int) {
			t.Helper()
			if n := len(h.log.all("decision")); got != want || n != decisions {
				t.Errorf("%s: answer %q, want %q; %d decisions are logged, want %d", what, got, want, n, decisions)
			}
		}
		says("RCPT", a.rcpt("me@example.org"), accepted, 0)
		says("DATA", a.data(), greylisted, 1)
		says("DATA again", a.data(), greylisted, 1)
		a.next()
		h.clock.advance(600)
		says("RCPT", a.rcpt("me@example.org"), accepted, 1)
		says("DATA", a.data(), soon, 2)
		says("DATA again", a.data(), soon, 2)
		says("one more RCPT", a.rcpt("you@example.org"), accepted, 2)
		says("DATA with it", a.data(), greylisted, 3)
		says("DATA with it again", a.data(), greylisted, 3)
		a.next()
		h.clock.advance(3000)
		says("RCPT", a.rcpt("me@example.org"), accepted, 3)
		says("DATA", a.data(), accepted, 4)
		says("DATA again", a.data(), accepted, 4)
	}
	t.Run("milter", func(t *testing.T) {
		h := newHouse(t)
		m := newMTA(t, h.address, 6).greet()
		m.mail("")
		try(t, h, isContinue, asker{m.rcpt, m.data, func() { m.abort(); m.mail("") }})
		m.quit()
	})
	t.Run("policy", func(t *testing.T) {
		h := newPolicyHouse(t)
		client, instance := h.dial(t), "1"
		try(t, h.house, dunno, asker{
			func(r string) string { return client.ask(bounce("RCPT", instance, r)...) },
			func() string { return client.ask(bounce("DATA", instance, "")...) },
			func() { instance += "1" },
		})
	})
}

// A message that was refused at DATA for one recipient is so with another one, who
// alone would be let through.
func TestRcptAfterRefusedData(t *testing.T) {
	try := func(t *testing.T, h *house, rcpt func(string) string, data func() string) {
		t.Helper()
		known, err := greylist.DefaultIdentity.Triplet(greylist.ParseClient("192.0.2.7"), "", "you@example.org")
		if err != nil {
			t.Fatal(err)
		}
		now := h.clock.now().Unix()
		h.memory.mu.Lock()
		h.memory.entries[known] = greylist.Entry{FirstSeen: now - 9999, LastSeen: now, PassedAt: now}
		h.memory.mu.Unlock()
		rcpt("me@example.org")
		if got := data(); got != greylisted {
			t.Errorf("DATA: %q", got)
		}
		rcpt("you@example.org")
		if got := data(); got != greylisted {
			t.Errorf("DATA with one more, who is known: %q", got)
		}
	}
	t.Run("milter", func(t *testing.T) {
		h := newHouse(t)
		m := newMTA(t, h.address, 6).greet()
		m.mail("")
		try(t, h, m.rcpt, m.data)
	})
	t.Run("policy", func(t *testing.T) {
		h := newPolicyHouse(t)
		c := h.dial(t)
		try(t, h.house,
			func(r string) string { return c.ask(bounce("RCPT", "1", r)...) },
			func() string { return c.ask(bounce("DATA", "1", "")...) })
	})
}

// A recipient who comes after DATA, which another filter has refused, is judged by
// the message's own sender and credentials.
func TestRcptAfterDataOfOthers(t *testing.T) {
	h := newHouse(t)
	m := newMTA(t, h.address, 6).greet()
	m.define(cmdMail, "{auth_authen}", "ann")
	m.mail("ann@example.net")
	m.rcpt("me@example.org")
	m.data()
	rcpt, data := m.rcpt("you@example.org"), m.data()
	line := h.log.last("decision")
	if rcpt != isContinue || data != isContinue || line["reason"] != "authenticated" || line["sender"] != "ann@example.net" || line["recipient"] != "you@example.org" {
		t.Errorf("RCPT %q, DATA %q, logged %v", rcpt, data, line)
	}
}

// A policy client that uses an instance for more than one message, which it
// should not, does not hand the refusal of the one on to the other.
func TestInstanceUsedAgain(t *testing.T) {
	h := newPolicyHouse(t)
	client := h.dial(t)
	client.ask(bounce("RCPT", "session", "me@example.org")...)
	if got := client.ask(bounce("DATA", "session", "")...); got != greylisted {
		t.Errorf("action %q at DATA", got)
	}
	for _, other := range []string{"sender=bob@example.net", "client_address=198.51.100.1"} {
		if got := client.ask(append(bounce("DATA", "session", ""), other)...); got != dunno {
			t.Errorf("%s: action %q at DATA", other, got)
		}
	}
}
