package milter

import (
	"fmt"
	"testing"

	"greyglass/greylist"
	"greyglass/milter/mtatest"
)

// A client's certificate counts as Sendmail and as Postfix tell of it, for every
// message of the connection, and only where it is wanted.
func TestVerifiedTLS(t *testing.T) {
	const subject = "/O=example/CN=client.example.net"
	for _, c := range []struct {
		name     string
		version  uint32
		connect  []string // macros
		helo     []string
		mail     []string
		verified bool
	}{
		{name: "Sendmail, verified", version: 6, helo: []string{"{verify}", "OK", "{cert_subject}", subject}, verified: true},
		{name: "Sendmail, at MAIL only", version: 6, mail: []string{"{verify}", "OK", "{cert_subject}", subject}, verified: true},
		{name: "Sendmail, unknown CA", version: 6, helo: []string{"{verify}", "FAIL", "{cert_subject}", subject}, mail: []string{"{verify}", "FAIL", "{cert_subject}", subject}},
		{name: "Sendmail, no certificate", version: 6, helo: []string{"{verify}", "NO"}},
		{name: "Sendmail, no TLS", version: 6, helo: []string{"{verify}", "NONE"}},
		{name: "Sendmail that does not send {verify}", version: 2, connect: []string{"j", "mx.example.org"}, helo: []string{"{cert_subject}", subject}},
		{name: "Postfix, trusted", version: 6, connect: []string{"v", "Postfix 3.7.11"}, helo: []string{"{cert_subject}", "client.example.net"}, verified: true},
		{name: "Postfix, trusted, at MAIL only", version: 6, connect: []string{"v", "Postfix 3.7.11"}, mail: []string{"{cert_subject}", "client.example.net"}, verified: true},
		{name: "Postfix of an old protocol", version: 2, connect: []string{"j", "mx", "v", "Postfix 3.7.11"}, helo: []string{"{cert_subject}", "client.example.net"}, verified: true},
		{name: "Postfix, not trusted", version: 6, connect: []string{"v", "Postfix 3.7.11"}, helo: []string{"{tls_version}", "TLSv1.3"}},
		{name: "Postfix, empty subject", version: 6, connect: []string{"v", "Postfix 3.7.11"}, helo: []string{"{cert_subject}", ""}},
		{name: "an MTA that names itself otherwise", version: 6, connect: []string{"v", "Other 1.0"}, helo: []string{"{cert_subject}", subject}},
	} {
		for _, wanted := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/accept_verified_tls=%t", c.name, wanted), func(t *testing.T) {
				h := newFixture(t, func(s *mtatest.Setup) { s.Rules.AcceptVerifiedTLS = wanted })
				m := h.OldMTA(t, c.version)
				define := func(command byte, macros []string) {
					if macros != nil {
						m.Define(command, macros...)
					}
				}
				define(cmdConnect, c.connect)
				m.Connect(familyInet, "192.0.2.7")
				m.Helo("before")
				m.Abort()
				define(cmdHelo, c.helo) // after STARTTLS
				m.Helo("after")
				for message := range 3 { // HELO is not repeated for the second
					define(cmdMail, c.mail)
					m.Mail("a@example.net")
					for range 2 {
						m.Rcpt(fmt.Sprintf("me%d@example.org", message))
						if c.verified && wanted {
							h.Judged(t, greylist.ReasonAuthenticated, greylist.Accept)
						} else if reason := h.Log.Last("decision")["reason"]; reason == string(greylist.ReasonAuthenticated) {
							t.Errorf("message %d is taken for authenticated", message)
						}
					}
					if message == 0 {
						m.Body()
					}
					m.Abort()
				}
				m.Quit()
			})
		}
	}
}

// What a client has shown of itself holds for its SMTP session, and for no other.
func TestCredentialsDoNotLeak(t *testing.T) {
	h := newFixture(t, func(s *mtatest.Setup) { s.Rules.AcceptVerifiedTLS = true })
	begin := func(m *mtatest.MTA, client string) { m.Connect(familyInet, client); m.Helo("x") }
	recipient := 0
	wantReason := func(m *mtatest.MTA, want greylist.Reason) {
		t.Helper()
		recipient++
		m.Rcpt(fmt.Sprintf("me%d@example.org", recipient))
		if line := h.Log.Last("decision"); line["reason"] != string(want) {
			t.Errorf("logged %v, want %s", line, want)
		}
	}
	m := h.MTA(t)
	m.Define(cmdConnect, "v", "Postfix 3.7.11")
	begin(m, "192.0.2.1")
	m.Define(cmdMail, "{auth_authen}", "bob", "{cert_subject}", "bob")
	m.Mail("bob@example.net")
	wantReason(m, greylist.ReasonAuthenticated)

	// The next message on the connection, after each of the ways to end one.
	m.Abort()
	m.Mail("a@example.net")
	wantReason(m, greylist.ReasonNotSeenBefore)
	m.Abort()
	m.Define(cmdMail, "{auth_authen}", "bob")
	m.Mail("bob@example.net")
	wantReason(m, greylist.ReasonAuthenticated)
	if got := m.Data(); got != mtatest.Continue {
		t.Errorf("DATA answered %q", got)
	}
	if got := m.Body(); got != mtatest.Accept {
		t.Errorf("end of message answered %q", got)
	}
	m.Mail("a@example.net") // Sendmail does not send ABORT here
	wantReason(m, greylist.ReasonNotSeenBefore)

	// Another SMTP session on the same connection.
	m.Define(cmdHelo, "{verify}", "OK", "{cert_subject}", "bob")
	m.Helo("x")
	m.Define(cmdMail, "{auth_authen}", "bob")
	m.Mail("bob@example.net")
	wantReason(m, greylist.ReasonAuthenticated)
	m.QuitNC()
	begin(m, "192.0.2.2")
	m.Define(cmdMail, "{cert_subject}", "eve") // and no longer from Postfix
	m.Mail("a@example.net")
	wantReason(m, greylist.ReasonNotSeenBefore)
	m.Quit()

	// Another connection.
	m = h.MTA(t)
	begin(m, "192.0.2.1")
	m.Mail("bob@example.net")
	wantReason(m, greylist.ReasonNotSeenBefore)
	m.Quit()
}
