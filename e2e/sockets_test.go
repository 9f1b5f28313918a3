package e2e

import (
	"fmt"
	"testing"

	"greyglass/e2e/lab"
)

// The snippets name one kind of socket for each mail server. The others work too.
func TestOtherSockets(t *testing.T) {
	lab.Require(t)
	inet6 := func(d *daemon) string { return fmt.Sprintf("inet:[::1]:%d", d.port) }
	for _, a := range []attachment{
		{"postfix-milter-unix", lab.Postfix, func(t *testing.T, d *daemon, o *lab.Options) {
			o.Snippet = snippet(t, "postfix/milter.cf", "inet:127.0.0.1:8895", "unix:"+d.milterUnix())
		}},
		{"postfix-milter-inet6", lab.Postfix, func(t *testing.T, d *daemon, o *lab.Options) {
			o.Snippet = snippet(t, "postfix/milter.cf", "inet:127.0.0.1:8895", inet6(d))
		}},
		{"postfix-policy-unix", lab.Postfix, func(t *testing.T, d *daemon, o *lab.Options) {
			o.Snippet = snippet(t, "postfix/policy.cf", "inet:127.0.0.1:8897", "unix:"+d.policyUnix())
		}},
		{"sendmail-milter-inet", lab.Sendmail, func(t *testing.T, d *daemon, o *lab.Options) {
			o.Snippet = snippet(t, "sendmail/greyglass.mc", "unix:/run/greyglass/milter.sock", fmt.Sprintf("inet:%d@127.0.0.1", d.port))
		}},
		{"sendmail-milter-inet6", lab.Sendmail, func(t *testing.T, d *daemon, o *lab.Options) {
			o.Snippet = snippet(t, "sendmail/greyglass.mc", "unix:/run/greyglass/milter.sock", fmt.Sprintf("inet6:%d@::1", d.port))
		}},
		{"exim-policy-inet", lab.Exim, func(t *testing.T, d *daemon, o *lab.Options) {
			o.EximACLs = snippet(t, "exim/acl_greyglass.conf", "/run/greyglass/policy.sock", fmt.Sprintf("inet:127.0.0.1:%d", d.port+1))
			o.Snippet = snippet(t, "exim/rcpt.conf")
			o.EximPredata = snippet(t, "exim/predata.conf")
		}},
	} {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, a, conf{rules: `allowed_senders = ["198.51.100.9"]`}, lab.Options{})
			s.deferred("an unknown client", s.try(unknown, "ann@sender.test", bob))
			s.accepted("an allowed client", s.try(unknown2, "ann@sender.test", bob))
			if got, want := s.reasons(bob, 2), "not-seen-before allowed-client"; got != want {
				t.Errorf("reasons: got %q, want %q", got, want)
			}
		})
	}
}
