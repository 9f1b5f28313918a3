package e2e

import (
	"testing"

	"greyglass/e2e/lab"
)

// TestCorrespondent: a user logs in and writes to an address outside; the reply is
// accepted at once, and only the reply.
func TestCorrespondent(t *testing.T) {
	lab.Require(t)
	for _, a := range attachments {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			attach := a.attach
			a.attach = func(t *testing.T, d *daemon, o *lab.Options) {
				attach(t, d, o)
				switch a.name {
				case "postfix-policy":
					o.Snippet += snippet(t, "postfix/outbound.cf", "inet:127.0.0.1:8897", d.policyInet())
				case "exim-policy":
					o.EximFirst = snippet(t, "exim/outbound.conf")
				}
			}
			s := startSite(t, a, conf{more: "[learn]\noutbound = true\nlocal_domains = [\"example.test\"]\n"}, lab.Options{Auth: true})
			s.deferred("before", s.try(unknown, "dave@far.test", bob))

			c := s.dial(unknown2)
			if r := c.AuthPlain(lab.User, lab.Password); !r.OK() {
				t.Fatalf("AUTH: %s", r)
			}
			s.mail(c, "bob+shop@example.test")
			s.accepted("the user's recipient", c.Rcpt("Dave@far.test"))
			s.accepted("the user's message", c.Data("Subject: hello\r\n\r\nHello.\r\n"))
			c.Quit()

			s.accepted("the reply", s.try(unknown, "prvs=1234abcdef=dave@far.test", "bob+shop@example.test"))
			s.accepted("another one", s.try(unknown, "dave@far.test", bob))
			s.mx.WaitMail(2)
			s.deferred("to another user", s.try(unknown, "dave@far.test", carol))
			s.deferred("from another sender", s.try(unknown, "eve@far.test", bob))
			s.deferred("of the null sender", s.try(unknown, "", bob))
			if got, want := s.reasons(bob, 4), "not-seen-before correspondent not-seen-before not-seen-before"; got != want {
				t.Errorf("reasons: %q, want %q", got, want)
			}
			if got, want := s.sqlite3("SELECT local, remote FROM correspondents"), "bob@example.test|dave@far.test\n"; got != want {
				t.Errorf("correspondents: %q, want %q", got, want)
			}
		})
	}
}
