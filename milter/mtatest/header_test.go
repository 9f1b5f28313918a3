package mtatest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/milter/mtatest"
)

// An accepted message says for how long it waited or which rule accepted it, if that is
// configured; of several recipients, the one that waited longest.
func TestHeaderField(t *testing.T) {
	const none = ""
	with := func(s *mtatest.Setup) {
		s.Policy.Header = true
		s.Policy.Probes = mtatest.Patterns(t, address.Senders, probeAddress)
		s.Rules.WhitelistedTriples = [][]string{{"192.0.2", "*", always}}
	}
	for _, sender := range []string{"stranger@example.net", "-", probeAddress} {
		for _, e := range byAll {
			t.Run(sender+" by "+e.name, func(t *testing.T) {
				h := e.on(t, with)
				h.Judge.By = "greyglass-1.0 at mx.example.org"
				s := e.session(t, h)
				for _, m := range []struct {
					after      int64
					recipients string
					want       string // the field's text, without the program and the time
				}{
					{0, "a", none},
					{600, "b", none},
					{3600, "a b", "delayed 4200 seconds"},
					{60, "a b", none},
					{60, "always", "not delayed (whitelisted-triple)"},
					{60, "a always b", "not delayed (whitelisted-triple)"},
					{60, "c", none},
					{3700, "c always", "delayed 3700 seconds"},
				} {
					h.Clock.Advance(m.after)
					s.mail(attempt{sender: sender}.completed())
					refused := false
					for r := range strings.FieldsSeq(m.recipients) {
						refused = s.rcpt(r+"@example.org", r+"@example.org") != accepted
					}
					if refused {
						continue
					}
					want := m.want
					if want != none {
						want = fmt.Sprintf("X-Greylist: %s by greyglass-1.0 at mx.example.org; %s", m.want, h.Clock.Now().Format(time.RFC1123Z))
					}
					if got := headerField(s); got != want {
						t.Errorf("message to %s: %q, want %q", m.recipients, got, want)
					}
				}
				s.quit()
			})
		}
	}
}

// headerField ends a message and returns the field that it gets.
func headerField(s session) string {
	answers := []string{s.data()}
	if answers[0] == accepted || strings.HasPrefix(answers[0], "PREPEND ") {
		answers = append(answers, s.end())
	}
	if m, ok := s.(*milterSession); ok {
		inserted := strings.TrimPrefix(strings.Join(m.Changes, "\n"), "insert 0 ")
		m.Changes = nil
		return inserted
	}
	for i, a := range answers {
		header, _ := strings.CutPrefix(a, "PREPEND ")
		if header == a {
			header = ""
		}
		answers[i] = header
	}
	return strings.Join(answers, "")
}

// Without that configuration, the milter asks for no header fields and no right to
// change any, and the policy service prepends nothing.
func TestNoHeaderField(t *testing.T) {
	for _, e := range byAll {
		h := e.on(t, func(s *mtatest.Setup) { s.Rules.AllowedSenders = []string{"192.0.2.7"} })
		s := e.session(t, h)
		s.mail(attempt{}.completed())
		s.rcpt("me@example.org", "me@example.org")
		if got := headerField(s); got != "" {
			t.Errorf("%s: %q", e.name, got)
		}
		s.quit()
	}
}

// Fields that a message comes with could be forged: they are removed whether it gets one
// or not, the last one first. A mail server that offers no change of header fields is
// asked for none.
func TestForgedHeaderFields(t *testing.T) {
	h := byMilter.on(t, func(s *mtatest.Setup) {
		s.Policy.Header = true
		s.Policy.Windows = greylist.Windows{MaxDeferTime: 1000, MaxGrey: 1000}
	})
	h.Judge.By = "greyglass-1.0 at mx.example.org"
	m := h.MTA(t).Greet()
	m.Fields = []string{"X-Greylist", "x-greylist", "X-Greylisting", "X-GREYLIST", "To\x00x\x00y", strings.Repeat("n", 60) + "\x00" + strings.Repeat("v", 100_000)}
	for n, want := range []string{
		"delete 3 X-Greylist, delete 2 X-Greylist, delete 1 X-Greylist, insert 0 X-Greylist: delayed 10 seconds by greyglass-1.0 at mx.example.org; ",
		"delete 3 X-Greylist, delete 2 X-Greylist, delete 1 X-Greylist",
	} {
		m.Mail("stranger@example.net")
		if n == 0 {
			m.Rcpt("me@example.org")
			h.Clock.Advance(10)
		}
		if got := m.Rcpt("me@example.org"); got != mtatest.Continue {
			t.Fatalf("RCPT: %s", got)
		}
		m.Data()
		m.Changes = nil
		m.Body()
		if got := strings.Join(m.Changes, ", "); !strings.HasPrefix(got, want) || len(got) > len(want)+40 {
			t.Errorf("message %d: %q", n, got)
		}
	}
	old := mtatest.On(t, h.Dial(t))
	actions, protocol := mtatest.Offers(6)
	old.Offer(6, actions&^headerActions, protocol)
	old.Greet()
	old.Mail("stranger@example.net")
	old.Rcpt("me@example.org")
	old.Data()
	if got := old.Body(); got != mtatest.Accept || len(old.Changes) > 0 {
		t.Errorf("%s, %q", got, old.Changes)
	}
}

const headerActions = 0x11 // SMFIF_ADDHDRS, SMFIF_CHGHDRS
