package mx

import (
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// TestCorrespondentOnTwoMXs: a user logs in at one server, which asks by milter, and
// writes; the reply is accepted at the other, which asks by policy, until the
// correspondent is forgotten at either.
func TestCorrespondentOnTwoMXs(t *testing.T) {
	db := database(t)
	learn := []string{`[learn]`, `outbound = true`, `local_domains = ["` + lab.Domain + `"]`}
	out, in := startDaemon(t, urlOf(db), learn...), startDaemon(t, urlOf(db), learn...)
	submission := lab.Start(t, lab.Postfix, lab.Options{Milters: []string{out.milter()}, Auth: true})
	mx := lab.Start(t, lab.Postfix, lab.Options{Policy: "inet:" + in.policy()})
	const who, bob, dave = "203.0.113.7", "bob@" + lab.Domain, "dave@far.test"

	c := lab.Dial(t, "198.51.100.9", submission.Addr4)
	for _, r := range []lab.Reply{c.Ehlo("laptop.sender.test"), c.AuthPlain(lab.User, lab.Password), c.Mail(bob), c.Rcpt(dave),
		c.Data("Subject: hello\r\n\r\nHello.\r\n")} {
		if !r.OK() {
			t.Fatal(r)
		}
	}
	c.Quit()
	for sender, want := range map[string]int{"dave+re@far.test": 250, "eve@far.test": 451} {
		if r := send(t, who, mx, sender); r.Code != want {
			t.Errorf("%s: %s", sender, r)
		}
	}
	if log := in.log(); !strings.Contains(log, `"reason":"correspondent"`) {
		t.Errorf("logged\n%s", log)
	}
	if got := strings.Fields(in.run("list", "--correspondents")); len(got) < 8 || got[6] != bob || got[7] != dave {
		t.Errorf("listed %q", got)
	}
	out.run("forget", "--correspondent", bob, dave)
	if r := send(t, who, mx, dave); r.Code != 451 {
		t.Errorf("forgotten: %s", r)
	}
}
