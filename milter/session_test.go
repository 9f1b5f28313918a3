package milter

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/milter/mtatest"
)

// Each recipient of a message has an answer of its own, and one connection has
// any number of messages.
func TestRecipientsAndMessages(t *testing.T) {
	for version := uint32(2); version <= 6; version++ {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) {
			h := newFixture(t, func(s *mtatest.Setup) {
				s.Rules.AllowedDomains = []string{"example.org"}
				s.Rules.ForeignVerdict, s.Rules.ForeignReply = greylist.Deny, mtatest.ParseReply(t, "550 5.7.1 Not here")
				s.Rules.WhitelistedTriples = [][]string{{"192.0.2", "*", "always@example.org"}}
			})
			m := h.OldMTA(t, version).Greet()
			for message, me := range []string{mtatest.Greylisted, mtatest.Continue, mtatest.Continue} {
				m.Mail("a@example.net")
				for _, c := range []struct{ recipient, want string }{
					{"me@example.org", me},
					{"me@example.com", "550 5.7.1 Not here"},
					{"always@example.org", mtatest.Continue},
					{"you@example.org", me},
				} {
					if got := m.Rcpt(c.recipient); got != c.want {
						t.Errorf("message %d, %s: answer %q, want %q", message, c.recipient, got, c.want)
					}
				}
				if version >= 4 {
					if got := m.Data(); got != mtatest.Continue {
						t.Errorf("DATA answered %q", got)
					}
				}
				if got := m.Body(); got != mtatest.Accept {
					t.Errorf("end of message answered %q", got)
				}
				h.Clock.Advance(3600)
			}
			m.Quit()
			if n := len(h.Log.All("decision")); n != 12 {
				t.Errorf("%d decisions are logged, want one a recipient", n)
			}
		})
	}
}

func TestEnvelopeAsLogged(t *testing.T) {
	h := newFixture(t)
	m := h.MTA(t)
	m.Connect(familyInet, "192.0.2.7")
	m.Helo("before.example.net")
	m.Abort()
	m.Helo("evil\nname") // the second, as after STARTTLS, replaces the first
	m.Mail("Jürgen@Bücher.example")
	m.Rcpt(`"a b$c"@Example.org`)
	line := h.Log.Last("decision")
	for key, want := range map[string]string{
		"verdict": "defer", "reason": "not-seen-before", "client": "192.0.2.7", "helo": `evil\x0aname`,
		"sender": "jürgen@xn--bcher-kva.example", "recipient": `"a b$c"@example.org`, "wait": "3600", "via": "milter", "level": "INFO",
	} {
		if line[key] != want {
			t.Errorf("%s=%q, want %q", key, line[key], want)
		}
	}
	if line["took"] == "" || line["queue_id"] != "" {
		t.Errorf("logged %v", line)
	}

	// The queue ID: Sendmail's is known at MAIL, Postfix's at RCPT once one was accepted.
	m.Abort()
	m.Define(cmdMail, "i", "AB12")
	m.Mail("a@example.net")
	m.Rcpt("me@example.org")
	if id := h.Log.Last("decision")["queue_id"]; id != "AB12" {
		t.Errorf("queue_id=%q", id)
	}
	m.Define(cmdRcpt, "i", "CD34")
	m.Rcpt("me@example.org")
	if id := h.Log.Last("decision")["queue_id"]; id != "CD34" {
		t.Errorf("queue_id=%q", id)
	}
	m.Abort()
	m.Mail("")
	m.Rcpt("me@example.org")
	m.Define(cmdData, "i", "EF56")
	m.Data()
	if line := h.Log.Last("decision"); line["queue_id"] != "EF56" || line["sender"] != "<>" {
		t.Errorf("logged %v", line)
	}
	m.Abort()
	m.Mail("a@example.net")
	m.Rcpt("me@example.org")
	if id := h.Log.Last("decision")["queue_id"]; id != "" {
		t.Errorf("queue_id=%q, of the message before", id)
	}
	m.Quit()
}

// ABORT ends the message and keeps the client; QUIT_NC ends both.
func TestAbortAndNewConnection(t *testing.T) {
	h := newFixture(t)
	m := h.MTA(t).Greet()
	m.Mail("")
	m.Rcpt("me@example.org")
	m.Abort()
	m.Abort() // Postfix sends several
	if got := m.Data(); got != mtatest.Continue || len(h.Log.All("decision")) != 0 {
		t.Errorf("DATA after ABORT is answered %q", got)
	}
	m.Mail("a@example.net")
	if got := m.Rcpt("me@example.org"); got != mtatest.Greylisted {
		t.Errorf("answer %q", got)
	}
	if got := m.Data(); got != mtatest.Continue { // nothing is left from the first message
		t.Errorf("DATA answered %q", got)
	}
	if line := h.Log.Last("decision"); line["client"] != "192.0.2.7" || line["helo"] != "client.example.net" {
		t.Errorf("logged %v", line)
	}

	m.QuitNC()
	m.Mail("a@example.net") // without CONNECT: judged, as one that nobody knows
	if got := m.Rcpt("me@example.org"); got != mtatest.Continue {
		t.Errorf("answer %q", got)
	}
	line := h.Log.Last("decision")
	if line["reason"] != "error" || line["helo"] != "" || strings.Contains(line["client"], "192.0.2") {
		t.Errorf("logged %v", line)
	}
	m.QuitNC()
	m.Connect(familyInet, "192.0.2.8")
	m.Helo("other.example.net")
	m.Mail("a@example.net")
	m.Rcpt("me@example.org")
	if line := h.Log.Last("decision"); line["client"] != "192.0.2.8" || line["helo"] != "other.example.net" {
		t.Errorf("logged %v", line)
	}
	m.Quit()
	if got := len(h.Remembered(t)); got != 2 {
		t.Errorf("%d triplets are remembered, want 2", got)
	}

	m = h.MTA(t)
	m.Mail("a@example.net")
	m.Rcpt("me@example.org")
	h.Judged(t, greylist.ReasonError, greylist.Accept)
	m.Quit()
}

// Senders of callouts are not deferred at RCPT, where a callout ends, but at
// DATA, or at the end of the message where the protocol has no DATA step.
func TestCallouts(t *testing.T) {
	for version := uint32(2); version <= 6; version++ {
		for _, sender := range []string{"", "double-bounce@example.net"} {
			t.Run(fmt.Sprintf("version %d, <%s>", version, sender), func(t *testing.T) {
				h := newFixture(t, func(s *mtatest.Setup) {
					s.Policy.Probes = mtatest.Patterns(t, address.Senders, "double-bounce@example.net")
					s.Rules.WhitelistedTriples = [][]string{{"192.0.2", "*", "always@example.org"}}
				})
				m := h.OldMTA(t, version).Greet()
				offer := func(recipients ...string) {
					t.Helper()
					m.Mail(sender)
					for _, r := range recipients {
						if got := m.Rcpt(r); got != mtatest.Continue {
							t.Errorf("%s: answer %q at RCPT", r, got)
						}
					}
				}
				end := func() string {
					if version >= 4 {
						return m.Data()
					}
					return m.Body()
				}

				offer("me@example.org") // a callout: it leaves nothing
				m.Abort()
				if lines, rows := h.Log.All("decision"), len(h.Remembered(t)); len(lines) != 0 || rows != 0 {
					t.Errorf("a callout leaves %v in the log and %d triplets", lines, rows)
				}

				offer("me@example.org")
				if got := end(); got != mtatest.Greylisted {
					t.Errorf("answer %q, want %q", got, mtatest.Greylisted)
				}
				h.Judged(t, greylist.ReasonNotSeenBefore, greylist.Defer)

				// The message waits as long as any recipient of it must.
				h.Clock.Advance(600)
				m.Abort()
				offer("me@example.org", "always@example.org", "you@example.org")
				if got := end(); got != mtatest.Greylisted {
					t.Errorf("answer %q, want %q", got, mtatest.Greylisted)
				}
				if lines := h.Log.All("decision"); len(lines) != 4 {
					t.Errorf("logged %v", lines)
				}
				h.Clock.Advance(3600)
				m.Abort()
				offer("me@example.org", "you@example.org")
				want := mtatest.Continue
				if version < 4 {
					want = mtatest.Accept
				}
				if got := end(); got != want {
					t.Errorf("answer %q, want %q", got, want)
				}
				if version >= 4 { // judged once
					if got := m.Body(); got != mtatest.Accept {
						t.Errorf("end of message answered %q", got)
					}
				}
				if n := len(h.Log.All("decision")); n != 6 {
					t.Errorf("%d decisions are logged, want 6", n)
				}
				m.Quit()
			})
		}
	}
}

func TestTooManyRecipientsLeft(t *testing.T) {
	h := newFixture(t, func(s *mtatest.Setup) { s.Limits.Recipients = 2 })
	m := h.MTA(t).Greet()
	for range 2 { // a new message may have as many again
		m.Mail("")
		var got []string
		for i := range 4 {
			got = append(got, m.Rcpt(fmt.Sprintf("me%d@example.org", i)))
		}
		if want := []string{mtatest.Continue, mtatest.Continue, "452 4.5.3 Too many recipients", "452 4.5.3 Too many recipients"}; !slices.Equal(got, want) {
			t.Errorf("answers %q, want %q", got, want)
		}
		if got := m.Data(); !strings.HasPrefix(got, "451 4.7.1 ") {
			t.Errorf("DATA answered %q", got)
		}
		m.Abort()
	}
	if n := len(h.Log.All("limits.recipients")); n != 2 {
		t.Errorf("%d warnings, want one a message", n)
	}
	if n := len(h.Remembered(t)); n != 2 {
		t.Errorf("%d triplets are remembered", n)
	}
	m.Quit()
}

// TestObserveRefusesNoRecipient: where the greylist only observes, a bounce may have
// more recipients than are kept.
func TestObserveRefusesNoRecipient(t *testing.T) {
	h := newFixture(t, func(s *mtatest.Setup) { s.Limits.Recipients, s.Policy.Observe = 2, true })
	m := h.MTA(t).Greet()
	m.Mail("")
	for i := range 4 {
		if got := m.Rcpt(fmt.Sprintf("me%d@example.org", i)); got != mtatest.Continue {
			t.Errorf("recipient %d answered %q", i, got)
		}
	}
	if got := m.Data(); got != mtatest.Continue {
		t.Errorf("DATA answered %q", got)
	}
	m.Quit()
}

// A panic in a callback ends its own session, says so in the log, and is counted.
func TestPanicEndsOneSession(t *testing.T) {
	h := newFixture(t)
	h.Judge.Adopt(nil) // which no program does
	m := h.MTA(t).Greet()
	m.Mail("a@example.net")
	m.Send(cmdRcpt, mtatest.Strings("<me@example.org>")...)
	m.Closed()
	if h.Log.Last("panic in a milter session") == nil {
		t.Error("nothing is logged")
	}
	if n := h.Limiter.Counters().Panicked; n != 1 {
		t.Errorf("%d panics are counted", n)
	}
	h.MTA(t).Quit()
}

// A recipient who comes after DATA, which another filter has refused, is judged by
// the message's own sender and credentials.
func TestRcptAfterDataOfOthers(t *testing.T) {
	h := newFixture(t)
	m := h.MTA(t).Greet()
	m.Define(cmdMail, "{auth_authen}", "ann")
	m.Mail("ann@example.net")
	m.Rcpt("me@example.org")
	m.Data()
	rcpt, data := m.Rcpt("you@example.org"), m.Data()
	line := h.Log.Last("decision")
	if rcpt != mtatest.Continue || data != mtatest.Continue || line["reason"] != "authenticated" || line["sender"] != "ann@example.net" || line["recipient"] != "you@example.org" {
		t.Errorf("RCPT %q, DATA %q, logged %v", rcpt, data, line)
	}
}
