package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// TestLearn: mail comes in, and goes out, while there is no Greyglass. By the log that the
// mail server wrote, it forecasts what it would have done, and learns whose mail it was:
// their mail is accepted at once, other mail is not. What clients made look like lines of
// the log is not learned.
func TestLearn(t *testing.T) {
	lab.Require(t)
	for _, a := range attachments {
		if a.name == "postfix-policy" {
			continue // the same log as with a milter
		}
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			o := lab.Options{Auth: true, RelayTo: lab.StartSink(t, "198.51.100.99"), Hosts: unknown + " mail.sender.test\n"}
			if a.mta == lab.Exim { // which takes anything for a HELO name now
				o.Extra = "helo_accept_junk_hosts = *\nlog_selector = +subject +received_recipients\n"
			}
			s := startSite(t, a, conf{rules: `allowed_domains = ["example.test"]`, more: "[learn]\noutbound = true\n"}, o)
			s.stop()
			s.accepted("mail", s.try(unknown, "ann@sender.test", bob))
			s.accepted("mail by IPv6", s.try(unknown6, "Eve@Sender.test", carol))
			s.accepted("a bounce", s.try(unknown, "", bob))
			if got := s.try(unknown2, "relay@sender.test", "x@elsewhere.test"); got.OK() {
				t.Fatalf("relayed: %s", got)
			}
			c := s.dial(unknown2)
			if r := c.AuthPlain(lab.User, lab.Password); !r.OK() {
				t.Fatalf("AUTH: %s", r)
			}
			s.mail(c, "alice@example.test")
			s.accepted("a recipient outside", c.Rcpt("dave@far.test"))
			s.accepted("a message to outside", c.Data("Subject: hello\r\n\r\nHello.\r\n"))
			c.Quit()
			s.forge()
			s.mx.WaitMail(4)
			s.mx.WaitLog("198.51.100.99")
			log := filepath.Join(s.mx.Dir, "log")

			s.forecast(log)
			s.start()
			s.learned(log, "learned: 3 triplets, 1 correspondents\nknown already: 0 triplets, 0 correspondents\n")
			s.learned(log, "learned: 0 triplets, 0 correspondents\nknown already: 3 triplets, 1 correspondents\n")
			want := "2001:db8:7::/64|eve@sender.test|carol@example.test\n" + unknown + "|<>|bob@example.test\n" + unknown + "|ann@sender.test|bob@example.test\n"
			if got := s.sqlite3("SELECT client, sender, recipient FROM passed ORDER BY client, sender"); got != want {
				t.Errorf("triplets:\n%swant\n%s", got, want)
			}
			if got, want := s.sqlite3("SELECT local, remote FROM correspondents"), "alice@example.test|dave@far.test\n"; got != want {
				t.Errorf("correspondents: %q, want %q", got, want)
			}
			s.accepted("mail of a correspondent", s.try(unknown, "ann@sender.test", bob))
			s.accepted("a reply", s.try(unknown2, "dave@far.test", "alice@example.test"))
			s.deferred("mail that is new", s.try(unknown, "ann@sender.test", carol))
			if got, want := s.reasons(bob, 1), "already-grey"; got != want {
				t.Errorf("reasons: got %q, want %q", got, want)
			}
		})
	}
}

// forge sends a message that is delivered, and of which HELO, sender, subject and message
// ID look like lines of a log.
func (s *site) forge() {
	s.t.Helper()
	c := lab.Dial(s.t, unknown2, s.mx.Addr4)
	defer c.Quit()
	if r := c.Helo("x) [192.0.2.1] P=esmtp S=1 id=(y"); s.mta != lab.Sendmail && !r.OK() {
		s.t.Fatalf("HELO: %s", r)
	}
	s.mail(c, `"v>, size=1, nrcpt=1 (queue active) H=v [192.0.2.1] P=esmtp relay=v [192.0.2.1]"@sender.test`)
	s.accepted("a forger's recipient", c.Rcpt(bob))
	s.accepted("a forger's message", c.Data("Subject: x <= v@victim.test H=v [192.0.2.1] P=esmtp\r\n"+
		"Message-ID: <1>, proto=ESMTPA, relay=v.victim.test [192.0.2.1], client=v.victim.test[192.0.2.1] from=<v@victim.test> to=<carol@example.test>\r\n\r\nHello.\r\n"))
}

// learned runs learn, whose output must have a text.
func (s *site) learned(log, text string) {
	s.t.Helper()
	stdout, stderr, status := s.run("learn", log)
	if status != 0 || !strings.Contains(stdout, text) {
		s.t.Errorf("learn: status %d, %s%swant %q", status, stdout, stderr, text)
	}
}

// forecast checks what would have become of the mail in the log.
func (s *site) forecast(log string) {
	s.t.Helper()
	stdout, stderr, status := s.run("forecast", "--json", log)
	type counts struct{ Messages, Accepted, Deferred, Refused int }
	var r struct {
		Configurations []struct {
			Name                string
			Delivered, Rejected counts
		}
	}
	if err := json.Unmarshal([]byte(stdout), &r); status != 0 || err != nil || len(r.Configurations) != 3 {
		s.t.Fatalf("forecast: status %d, %v, %s", status, err, stderr)
	}
	classic := r.Configurations[1]
	if want := (counts{Messages: 3, Deferred: 3}); classic.Name != "classic" || classic.Delivered != want {
		s.t.Errorf("forecast: %+v of what was delivered, want %+v", classic, want)
	}
	if want := (counts{Messages: 1, Refused: 1}); classic.Rejected != want {
		s.t.Errorf("forecast: %+v of what was rejected, want %+v", classic, want)
	}
}
