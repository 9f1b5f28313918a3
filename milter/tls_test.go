package milter

import (
	"fmt"
	"testing"

	"greyglass/greylist"
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
				h := newHouse(t, func(f *furniture) { f.rules.AcceptVerifiedTLS = wanted })
				m := newMTA(t, h.address, c.version)
				define := func(command byte, macros []string) {
					if macros != nil {
						m.define(command, macros...)
					}
				}
				define(cmdConnect, c.connect)
				m.connect(familyInet, "192.0.2.7")
				m.helo("before")
				m.abort()
				define(cmdHelo, c.helo) // after STARTTLS
				m.helo("after")
				for message := range 3 { // HELO is not repeated for the second
					define(cmdMail, c.mail)
					m.mail("a@example.net")
					for range 2 {
						m.rcpt(fmt.Sprintf("me%d@example.org", message))
						if c.verified && wanted {
							h.judged(t, greylist.ReasonAuthenticated, greylist.Accept)
						} else if reason := h.log.last("decision")["reason"]; reason == string(greylist.ReasonAuthenticated) {
							t.Errorf("message %d is taken for authenticated", message)
						}
					}
					if message == 0 {
						m.body()
					}
					m.abort()
				}
				m.quit()
			})
		}
	}
}

// What a client has shown of itself holds for its SMTP session, and for no other.
func TestCredentialsDoNotLeak(t *testing.T) {
	h := newHouse(t, func(f *furniture) { f.rules.AcceptVerifiedTLS = true })
	begin := func(m *mta, client string) { m.connect(familyInet, client); m.helo("x") }
	recipient := 0
	knock := func(m *mta, want greylist.Reason) {
		t.Helper()
		recipient++
		m.rcpt(fmt.Sprintf("me%d@example.org", recipient))
		if line := h.log.last("decision"); line["reason"] != string(want) {
			t.Errorf("logged %v, want %s", line, want)
		}
	}
	m := newMTA(t, h.address, 6)
	m.define(cmdConnect, "v", "Postfix 3.7.11")
	begin(m, "192.0.2.1")
	m.define(cmdMail, "{auth_authen}", "bob", "{cert_subject}", "bob")
	m.mail("bob@example.net")
	knock(m, greylist.ReasonAuthenticated)

	// The next message on the connection, after each of the ways to end one.
	m.abort()
	m.mail("a@example.net")
	knock(m, greylist.ReasonNotSeenBefore)
	m.abort()
	m.define(cmdMail, "{auth_authen}", "bob")
	m.mail("bob@example.net")
	knock(m, greylist.ReasonAuthenticated)
	if got := m.data(); got != isContinue {
		t.Errorf("DATA answered %q", got)
	}
	if got := m.body(); got != isAccept {
		t.Errorf("end of message answered %q", got)
	}
	m.mail("a@example.net") // Sendmail does not send ABORT here
	knock(m, greylist.ReasonNotSeenBefore)

	// Another SMTP session on the same connection.
	m.define(cmdHelo, "{verify}", "OK", "{cert_subject}", "bob")
	m.helo("x")
	m.define(cmdMail, "{auth_authen}", "bob")
	m.mail("bob@example.net")
	knock(m, greylist.ReasonAuthenticated)
	m.quitNC()
	begin(m, "192.0.2.2")
	m.define(cmdMail, "{cert_subject}", "eve") // and no longer from Postfix
	m.mail("a@example.net")
	knock(m, greylist.ReasonNotSeenBefore)
	m.quit()

	// Another connection.
	m = newMTA(t, h.address, 6)
	begin(m, "192.0.2.1")
	m.mail("bob@example.net")
	knock(m, greylist.ReasonNotSeenBefore)
	m.quit()
}
