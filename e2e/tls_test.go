package e2e

import (
	"crypto/tls"
	"testing"

	"greyglass/e2e/lab"
)

// A client whose certificate the mail server has verified is accepted, for every message
// of the session, if the configuration says so; no other client is.
func TestClientCertificates(t *testing.T) {
	lab.Require(t)
	accepts := conf{rules: "accept_verified_tls = true"}
	for _, c := range []struct {
		name string
		conf conf
		cert func() *tls.Certificate
		in   bool
	}{
		{"verified", accepts, lab.ClientCert, true},
		{"verified, not configured", conf{}, lab.ClientCert, false},
		{"of an unknown authority", accepts, lab.UntrustedCert, false},
		{"none", accepts, func() *tls.Certificate { return nil }, false},
	} {
		for _, a := range attachments {
			t.Run(a.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				s := startSite(t, a, c.conf, lab.Options{})
				client := s.dial(unknown)
				if r := client.StartTLS(c.cert()); r.Code != 220 {
					t.Fatalf("STARTTLS: %s", r)
				}
				if r := client.Ehlo("other.sender.test"); !r.OK() {
					t.Fatalf("EHLO: %s", r)
				}
				for _, sender := range []string{"ann@sender.test", "eve@sender.test"} {
					s.mail(client, sender)
					got := client.Rcpt(bob)
					if !c.in {
						s.deferred(sender, got)
						s.accepted("reset", client.Rset())
						continue
					}
					s.accepted(sender, got)
					s.accepted("message", client.Data("Subject: hello\r\n\r\nHello.\r\n"))
				}
				want := "not-seen-before not-seen-before"
				if c.in {
					want = "authenticated authenticated"
				}
				if got := s.reasons(bob, 2); got != want {
					t.Errorf("reasons: got %q, want %q", got, want)
				}
				if got := s.decisions(bob)[0].str("helo"); got != "other.sender.test" {
					t.Errorf("HELO name after STARTTLS: %q", got)
				}
			})
		}
	}
}
