package milter

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

const greylisted = "451 4.7.1 Greylisted, please try again in 1 hour"

// greet begins an SMTP session of a stranger.
func (m *mta) greet() *mta {
	m.t.Helper()
	m.connect(familyInet, "192.0.2.7")
	m.helo("client.example.net")
	return m
}

// Each recipient of a message has an answer of its own, and one connection has
// any number of messages.
func TestRecipientsAndMessages(t *testing.T) {
	for version := uint32(2); version <= 6; version++ {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) {
			h := newHouse(t, func(f *furniture) {
				f.rules.AllowedDomains = []string{"example.org"}
				f.rules.ForeignVerdict, f.rules.ForeignReply = greylist.Deny, parseReply(t, "550 5.7.1 Not here")
				f.rules.WhitelistedTriples = [][]string{{"192.0.2", "*", "always@example.org"}}
			})
			m := newMTA(t, h.address, version).greet()
			for message, me := range []string{greylisted, isContinue, isContinue} {
				m.mail("a@example.net")
				for _, c := range []struct{ recipient, want string }{
					{"me@example.org", me},
					{"me@example.com", "550 5.7.1 Not here"},
					{"always@example.org", isContinue},
					{"you@example.org", me},
				} {
					if got := m.rcpt(c.recipient); got != c.want {
						t.Errorf("message %d, %s: answer %q, want %q", message, c.recipient, got, c.want)
					}
				}
				if version >= 4 {
					if got := m.data(); got != isContinue {
						t.Errorf("DATA answered %q", got)
					}
				}
				if got := m.body(); got != isAccept {
					t.Errorf("end of message answered %q", got)
				}
				h.clock.advance(3600)
			}
			m.quit()
			if n := len(h.log.all("decision")); n != 12 {
				t.Errorf("%d decisions are logged, want one a recipient", n)
			}
		})
	}
}

func TestEnvelopeAsLogged(t *testing.T) {
	h := newHouse(t)
	m := newMTA(t, h.address, 6)
	m.connect(familyInet, "192.0.2.7")
	m.helo("before.example.net")
	m.abort()
	m.helo("evil\nname") // the second, as after STARTTLS, replaces the first
	m.mail("Jürgen@Bücher.example")
	m.rcpt(`"a b$c"@Example.org`)
	line := h.log.last("decision")
	for key, want := range map[string]string{
		"verdict": "defer", "reason": "not-seen-before", "client": "192.0.2.7", "helo": `evil\x0aname`,
		"sender": "jürgen@bücher.example", "recipient": `"a b$c"@example.org`, "wait": "3600", "via": "milter", "level": "INFO",
	} {
		if line[key] != want {
			t.Errorf("%s=%q, want %q", key, line[key], want)
		}
	}
	if line["took"] == "" || line["queue_id"] != "" {
		t.Errorf("logged %v", line)
	}

	// The queue ID: Sendmail's is known at MAIL, Postfix's at RCPT once one was accepted.
	m.abort()
	m.define(cmdMail, "i", "AB12")
	m.mail("a@example.net")
	m.rcpt("me@example.org")
	if id := h.log.last("decision")["queue_id"]; id != "AB12" {
		t.Errorf("queue_id=%q", id)
	}
	m.define(cmdRcpt, "i", "CD34")
	m.rcpt("me@example.org")
	if id := h.log.last("decision")["queue_id"]; id != "CD34" {
		t.Errorf("queue_id=%q", id)
	}
	m.abort()
	m.mail("")
	m.rcpt("me@example.org")
	m.define(cmdData, "i", "EF56")
	m.data()
	if line := h.log.last("decision"); line["queue_id"] != "EF56" || line["sender"] != "<>" {
		t.Errorf("logged %v", line)
	}
	m.abort()
	m.mail("a@example.net")
	m.rcpt("me@example.org")
	if id := h.log.last("decision")["queue_id"]; id != "" {
		t.Errorf("queue_id=%q, of the message before", id)
	}
	m.quit()
}

// ABORT ends the message and keeps the client; QUIT_NC ends both.
func TestAbortAndNewConnection(t *testing.T) {
	h := newHouse(t)
	m := newMTA(t, h.address, 6).greet()
	m.mail("")
	m.rcpt("me@example.org")
	m.abort()
	m.abort() // Postfix sends several
	if got := m.data(); got != isContinue || len(h.log.all("decision")) != 0 {
		t.Errorf("DATA after ABORT is answered %q", got)
	}
	m.mail("a@example.net")
	if got := m.rcpt("me@example.org"); got != greylisted {
		t.Errorf("answer %q", got)
	}
	if got := m.data(); got != isContinue { // nothing is left from the first message
		t.Errorf("DATA answered %q", got)
	}
	if line := h.log.last("decision"); line["client"] != "192.0.2.7" || line["helo"] != "client.example.net" {
		t.Errorf("logged %v", line)
	}

	m.quitNC()
	m.mail("a@example.net") // without CONNECT: judged, as one that nobody knows
	if got := m.rcpt("me@example.org"); got != isContinue {
		t.Errorf("answer %q", got)
	}
	line := h.log.last("decision")
	if line["reason"] != "error" || line["helo"] != "" || strings.Contains(line["client"], "192.0.2") {
		t.Errorf("logged %v", line)
	}
	m.quitNC()
	m.connect(familyInet, "192.0.2.8")
	m.helo("other.example.net")
	m.mail("a@example.net")
	m.rcpt("me@example.org")
	if line := h.log.last("decision"); line["client"] != "192.0.2.8" || line["helo"] != "other.example.net" {
		t.Errorf("logged %v", line)
	}
	m.quit()
	if got := h.memory.size(); got != 2 {
		t.Errorf("%d triplets are remembered, want 2", got)
	}

	m = newMTA(t, h.address, 6)
	m.mail("a@example.net")
	m.rcpt("me@example.org")
	h.judged(t, greylist.ReasonError, greylist.Accept)
	m.quit()
}

// Senders of callouts are not deferred at RCPT, where a callout ends, but at
// DATA, or at the end of the message where the protocol has no DATA step.
func TestCallouts(t *testing.T) {
	for version := uint32(2); version <= 6; version++ {
		for _, sender := range []string{"", "double-bounce@example.net"} {
			t.Run(fmt.Sprintf("version %d, <%s>", version, sender), func(t *testing.T) {
				h := newHouse(t, func(f *furniture) {
					f.policy.Probes = patterns(t, address.Senders, "double-bounce@example.net")
					f.rules.WhitelistedTriples = [][]string{{"192.0.2", "*", "always@example.org"}}
				})
				m := newMTA(t, h.address, version).greet()
				offer := func(recipients ...string) {
					t.Helper()
					m.mail(sender)
					for _, r := range recipients {
						if got := m.rcpt(r); got != isContinue {
							t.Errorf("%s: answer %q at RCPT", r, got)
						}
					}
				}
				end := func() string {
					if version >= 4 {
						return m.data()
					}
					return m.body()
				}

				offer("me@example.org") // a callout: it leaves nothing
				m.abort()
				if lines, rows := h.log.all("decision"), h.memory.size(); len(lines) != 0 || rows != 0 {
					t.Errorf("a callout leaves %v in the log and %d triplets", lines, rows)
				}

				offer("me@example.org")
				if got := end(); got != greylisted {
					t.Errorf("answer %q, want %q", got, greylisted)
				}
				h.judged(t, greylist.ReasonNotSeenBefore, greylist.Defer)

				// The message waits as long as any recipient of it must.
				h.clock.advance(600)
				m.abort()
				offer("me@example.org", "always@example.org", "you@example.org")
				if got := end(); got != greylisted {
					t.Errorf("answer %q, want %q", got, greylisted)
				}
				if lines := h.log.all("decision"); len(lines) != 4 {
					t.Errorf("logged %v", lines)
				}
				h.clock.advance(3600)
				m.abort()
				offer("me@example.org", "you@example.org")
				want := isContinue
				if version < 4 {
					want = isAccept
				}
				if got := end(); got != want {
					t.Errorf("answer %q, want %q", got, want)
				}
				if version >= 4 { // judged once
					if got := m.body(); got != isAccept {
						t.Errorf("end of message answered %q", got)
					}
				}
				if n := len(h.log.all("decision")); n != 6 {
					t.Errorf("%d decisions are logged, want 6", n)
				}
				m.quit()
			})
		}
	}
}

func TestTooManyRecipientsLeft(t *testing.T) {
	h := newHouse(t, func(f *furniture) { f.limits.Recipients = 2 })
	m := newMTA(t, h.address, 6).greet()
	for range 2 { // a new message may have as many again
		m.mail("")
		var got []string
		for i := range 4 {
			got = append(got, m.rcpt(fmt.Sprintf("me%d@example.org", i)))
		}
		if want := []string{isContinue, isContinue, "452 4.5.3 Too many recipients", "452 4.5.3 Too many recipients"}; !slices.Equal(got, want) {
			t.Errorf("answers %q, want %q", got, want)
		}
		if got := m.data(); !strings.HasPrefix(got, "451 4.7.1 ") {
			t.Errorf("DATA answered %q", got)
		}
		m.abort()
	}
	if n := len(h.log.all("limits.recipients")); n != 2 {
		t.Errorf("%d warnings, want one a message", n)
	}
	if n := h.memory.size(); n != 2 {
		t.Errorf("%d triplets are remembered", n)
	}
	m.quit()
}

// A panic in a callback ends its own session, says so in the log, and is counted.
func TestPanicEndsOneSession(t *testing.T) {
	h := newHouse(t)
	h.judge.Adopt(nil) // which no program does
	m := newMTA(t, h.address, 6).greet()
	m.mail("a@example.net")
	m.send(cmdRcpt, cstrings("<me@example.org>")...)
	m.closed()
	if h.log.last("panic in a milter session") == nil {
		t.Error("nothing is logged")
	}
	if n := h.gate.Traffic()["milter"].Panicked; n != 1 {
		t.Errorf("%d panics are counted", n)
	}
	newMTA(t, h.address, 6).quit()
}
