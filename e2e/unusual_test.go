package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"greyglass/e2e/lab"
	"greyglass/greylist/address"
)

// unusualAddresses are allowed in SMTP, or at least come up, and would break a
// careless log, protocol or query. Each is used as a sender and as a local part.
var unusualAddresses = []string{
	`"a b"@sender.test`,
	`"a\"b"@sender.test`,
	`"a\\b"@sender.test`,
	`"john"@sender.test`,
	`"a@b"@sender.test`,
	`a%b@sender.test`,
	`50%@sender.test`,
	`%s%n@sender.test`,
	`$b{x}@sender.test`,
	`${run{false}}@sender.test`,
	`"$h ${readfile{/etc/passwd}}"@sender.test`,
	`{wait}@sender.test`,
	`a=b@sender.test`,
	`a'b--@sender.test`,
	`"a'); DROP TABLE triplet; --"@sender.test`,
	`"verdict=accept reason=local"@sender.test`,
	`o'hara+tag/x@Sender.TEST`,
	strings.Repeat("l", 64) + "@sender.test",
	`@relay.test,@other.test:ann@sender.test`,
	`nodomain`,
	`grün@sender.test`,
	`"grün weiß"@bücher.test`,
}

// TestUnusualAddresses: whatever address a mail server takes, it is judged, and
// remembered and logged as the one that it is.
func TestUnusualAddresses(t *testing.T) {
	lab.Require(t)
	for _, a := range attachments {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, a, conf{}, lab.Options{})
			judged := 0
			for _, address := range unusualAddresses {
				if s.unusualSender(address) {
					judged++
				}
			}
			for _, address := range unusualAddresses {
				if local, _, quoted := strings.Cut(address, "@sender.test"); quoted && !strings.HasPrefix(address, "@") && s.unusualRecipient(local+"@example.test") {
					judged++
				}
			}
			t.Logf("%d judged", judged)
			if judged < len(unusualAddresses) {
				t.Errorf("only %d of %d unusual addresses were taken", judged, 2*len(unusualAddresses))
			}
			var rows []struct{ Sender, Recipient string }
			out, _, _ := s.daemon.run("list", "--json")
			if err := json.Unmarshal([]byte(out), &rows); err != nil {
				t.Fatal(err)
			}
			if len(rows) != judged {
				t.Errorf("%d rows for %d addresses", len(rows), judged)
			}
			if n := len(s.decisions("")); n != judged {
				t.Errorf("%d log lines for %d addresses", n, judged)
			}
		})
	}
}

// unusualSender offers mail from an address. It returns false if the mail server does
// not take such an address at all.
func (s *site) unusualSender(address string) bool {
	s.t.Helper()
	c := s.dial(unknown)
	defer c.Quit()
	if r := s.unusualMail(c, address); !r.OK() {
		s.t.Logf("%s does not take the sender %s: %s", s.name, address, r)
		return false
	}
	r := c.Rcpt(bob)
	if r.OK() {
		s.t.Errorf("%s takes the sender %s, unjudged", s.name, address)
	}
	if !strings.Contains(r.Text, "Greylisted") {
		s.t.Logf("%s does not take the sender %s: %s", s.name, address, r)
		return false
	}
	s.remembered(address, bob)
	return true
}

// unusualRecipient offers mail to an address of ours, as unusualSender does from one.
func (s *site) unusualRecipient(address string) bool {
	s.t.Helper()
	c := s.dial(unknown)
	defer c.Quit()
	var utf8 []string
	if strings.ContainsRune(address, 'ü') {
		utf8 = []string{"SMTPUTF8"}
	}
	if r := c.Mail("ann@sender.test", utf8...); !r.OK() {
		s.t.Logf("%s does not take the recipient %s: %s", s.name, address, r)
		return false
	}
	r := c.Rcpt(address)
	if r.OK() {
		s.t.Errorf("%s takes the recipient %s, unjudged", s.name, address)
	}
	if !strings.Contains(r.Text, "Greylisted") {
		s.t.Logf("%s does not take the recipient %s: %s", s.name, address, r)
		return false
	}
	s.remembered("ann@sender.test", address)
	return true
}

func (s *site) unusualMail(c *lab.Client, from string) lab.Reply {
	if strings.ContainsRune(from, 'ü') {
		return c.Mail(from, "SMTPUTF8")
	}
	return c.Mail(from)
}

// remembered expects a log line about the newest attempt, and its row.
func (s *site) remembered(sender, recipient string) {
	s.t.Helper()
	wantSender, wantRecipient := address.Fold(sender), address.Fold(recipient)
	s.wait("a log line about "+wantSender+" and "+wantRecipient, func() bool {
		for _, l := range s.decisions(wantRecipient) {
			if l.str("sender") == wantSender && l.str("client") == unknown {
				return true
			}
		}
		return false
	})
	out, errs, status := s.daemon.run("list", "--json", "--sender", sender, "--recipient", recipient)
	var rows []struct{ Sender, Recipient string }
	if err := json.Unmarshal([]byte(out), &rows); err != nil || status != 0 {
		s.t.Fatalf("list: %v: %s%s", err, out, errs)
	}
	if len(rows) != 1 || rows[0].Sender != wantSender || rows[0].Recipient != wantRecipient {
		s.t.Errorf("rows of %s and %s: %s", sender, recipient, out)
	}
}
