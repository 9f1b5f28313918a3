package e2e

import (
	"regexp"
	"testing"
	"time"

	"greyglass/e2e/lab"
)

// With greylist.header, an accepted message says for how long it was delayed, or which
// rule accepted it. By milter, fields of that name that come with a message are removed.
func TestHeaderField(t *testing.T) {
	lab.Require(t)
	for _, a := range attachments {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, a, conf{
				rules:    `whitelisted_triples = [["203.0.113", "*", "carol@example.test"]]`,
				greylist: quick + "header = true",
			}, lab.Options{})
			const forged = "delayed 9 years by nobody"
			send := func(sender string, recipients ...string) lab.Mail {
				t.Helper()
				before := len(s.mx.Mailbox())
				c := s.dial(unknown)
				defer c.Quit()
				s.mail(c, sender)
				for _, r := range recipients {
					s.accepted(r, c.Rcpt(r))
				}
				s.accepted("message", c.Data("X-Greylist: "+forged+"\r\nSubject: "+sender+recipients[0]+"\r\nx-greylist: "+forged+"\r\n\r\nHello.\r\n"))
				for _, m := range s.mx.WaitMail(before + len(recipients)) {
					if m.Header.Get("Subject") == sender+recipients[0] {
						return m
					}
				}
				t.Fatal("not delivered")
				return lab.Mail{}
			}
			expect := func(what string, got lab.Mail, want string) {
				t.Helper()
				fields := got.Header["X-Greylist"]
				if want != "" && (len(fields) == 0 || !regexp.MustCompile("^"+want+" by greyglass-[0-9.]+ at [^ ]+; ").MatchString(fields[0])) {
					t.Errorf("%s: got %q, want %s first", what, fields, want)
				}
				others := len(fields)
				if want != "" {
					others--
				}
				if mayStay := s.name == "postfix-policy" || s.name == "exim-policy" && want == ""; others > 0 && !mayStay {
					t.Errorf("%s: %d forged fields stay: %q", what, others, fields)
				}
			}
			s.deferred("first try", s.try(unknown, "ann@sender.test", bob))
			s.deferred("a bounce", s.try(unknown, "", bob))
			time.Sleep(quickWait + time.Second)
			s.deferred("first try of another recipient", s.try(unknown, "ann@sender.test", dave))
			time.Sleep(quickWait)
			expect("of two recipients", send("ann@sender.test", dave, bob), "delayed ([5-9]|[1-9][0-9]) seconds")
			expect("bounce", send("", bob), "delayed ([5-9]|[1-9][0-9]) seconds")
			expect("known", send("ann@sender.test", bob), "")
			expect("by a rule", send("eve@sender.test", carol), `not delayed \(whitelisted-triple\)`)
		})
	}
}
