package milter

import (
	"fmt"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/rules"
	"greyglass/milter/mtatest"
)

// TestClientName: a client has the name that the MTA has found to lead back to its
// address, and a forged one is none.
func TestClientName(t *testing.T) {
	sendmail, postfix := []string{"j", "mx.example.org"}, []string{"v", "Postfix 3.7.11"}
	for _, c := range []struct {
		name    string
		connect []string
		host    string
		want    string
	}{
		{"Sendmail, confirmed", append(sendmail, "{client_resolve}", "OK"), "MX.Example.net", "mx.example.net"},
		{"Sendmail, forged", append(sendmail, "{client_resolve}", "FORGED"), "mx.example.net", ""},
		{"Sendmail, no name", append(sendmail, "{client_resolve}", "FAIL"), "[192.0.2.7]", ""},
		{"Sendmail, not known now", append(sendmail, "{client_resolve}", "TEMP"), "[192.0.2.7]", ""},
		{"Sendmail that does not say", sendmail, "mx.example.net", ""},
		{"Postfix, confirmed", postfix, "mx.example.net", "mx.example.net"},
		{"Postfix, forged or no name", postfix, "[192.0.2.7]", ""},
		{"old Postfix, forged or no name", postfix, "unknown", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFixture(t, func(s *mtatest.Setup) {
				s.Rules.Ordered = []rules.Rule{{Name: "named", When: fmt.Sprintf("client_name == %q", c.want), Then: greylist.Accept}}
			})
			m := h.OldMTA(t, 6)
			m.Define(cmdConnect, c.connect...)
			m.Send(cmdConnect, mtatest.ConnectData(c.host, familyInet, 4321, "192.0.2.7")...)
			m.Helo("helo.example.net")
			m.Mail("a@example.net")
			m.Rcpt("b@example.org")
			h.Judged(t, "rule:named", greylist.Accept)
			m.Quit()
		})
	}
}
