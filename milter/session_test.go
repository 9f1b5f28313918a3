package milter

import (
	"strings"
	"testing"

	"greyglass/greylist"
	"greyglass/milter/mtatest"
)

// The second HELO, as after STARTTLS, replaces the first.
func TestSecondHelo(t *testing.T) {
	h := newFixture(t)
	m := h.MTA(t)
	m.Connect(familyInet, "192.0.2.7")
	m.Helo("before.example.net")
	m.Abort()
	m.Helo("evil\nname")
	m.Mail("a@example.net")
	m.Rcpt("me@example.org")
	if line := h.Log.Last("decision"); line["helo"] != `evil\x0aname` || line["client"] != "192.0.2.7" {
		t.Errorf("logged %v", line)
	}
	m.Quit()
}

// The queue ID: Sendmail's is known at MAIL, Postfix's at RCPT once one was accepted.
func TestQueueID(t *testing.T) {
	h := newFixture(t)
	m := h.MTA(t).Greet()
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
	m.Mail("a@example.net") // without CONNECT: judged, as a client without an address
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

// A panic in a callback ends its own session, says so in the log, and is counted.
func TestPanicEndsOneSession(t *testing.T) {
	h := newFixture(t)
	m := h.MTA(t).Greet()
	policy := h.Judge.Policy()
	h.Judge.Adopt(nil) // which no program does
	m.Mail("a@example.net")
	m.Send(cmdRcpt, mtatest.Strings("<me@example.org>")...)
	m.Closed()
	if h.Log.Last("panic in a milter session") == nil {
		t.Error("nothing is logged")
	}
	if n := h.Limiter.Counters().Panicked; n != 1 {
		t.Errorf("%d panics are counted", n)
	}
	h.Judge.Adopt(policy)
	h.MTA(t).Quit()
}
