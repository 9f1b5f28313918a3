package lab

import (
	"strings"
	"testing"
)

// What users paste takes effect, and goes again with a restart, which keeps the
// mailbox and the port.
func TestSnippetAndRestart(t *testing.T) {
	dead := "unix:/nonexistent/greyglass-lab"
	snippets := map[MTA]Options{
		Postfix:  {Snippet: "smtpd_milters = " + dead + "\nmilter_default_action = tempfail\n"},
		Sendmail: {Snippet: "INPUT_MAIL_FILTER(`greyglass', `S=" + dead + ", F=T, T=C:5s')dnl\n"},
		Exim:     {Snippet: "  defer\n    message = 451 4.7.1 pasted\n"},
	}
	each(t, allMTAs, func(t *testing.T, mta MTA) {
		try := func(mx *Instance) Reply {
			c := Dial(t, "203.0.113.7", mx.Addr4)
			defer c.Close()
			c.Ehlo("client.test")
			if r := c.Mail("alice@sender.test"); !r.OK() {
				return r
			}
			if r := c.Rcpt("bob@example.test"); !r.OK() {
				return r
			}
			return c.Data(message)
		}
		mx := Start(t, mta, Options{})
		expect(t, "without snippet", try(mx), 250, "")
		mx.WaitMail(1)
		mx.Restart(snippets[mta])
		expect(t, "with snippet", try(mx), 451, "")
		mx.Restart(Options{})
		expect(t, "without snippet again", try(mx), 250, "")
		mx.WaitMail(2)
	})
}

// Exim has more places for what users paste.
func TestEximPlaces(t *testing.T) {
	for name, o := range map[string]Options{
		"predata": {EximPredata: "  defer message = 451 4.7.1 at DATA\n"},
		"data":    {EximData: "  defer message = 451 4.7.1 at end\n"},
		"ACL":     {Snippet: "  require acl = lab_own\n", EximACLs: "lab_own:\n  defer message = 451 4.7.1 own ACL\n"},
		"main":    {Extra: "LAB_TEXT = from main\n", Snippet: "  defer message = 451 4.7.1 LAB_TEXT\n"},
	} {
		want := map[string]string{"predata": "at DATA", "data": "at end", "ACL": "own ACL", "main": "from main"}[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mx := Start(t, Exim, o)
			c := Dial(t, "203.0.113.7", mx.Addr4)
			c.Ehlo("client.test")
			c.Mail("alice@sender.test")
			r := c.Rcpt("bob@example.test")
			if r.OK() {
				r = c.Data(message)
			}
			expect(t, name, r, 451, "4.7.1 "+want)
		})
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		mta  MTA
		o    Options
		want string
	}{
		{Exim, Options{Milters: []string{"unix:/m"}}, "Exim has no milters"},
		{Sendmail, Options{Policy: "unix:/p"}, "sendmail asks no policy server"},
		{Exim, Options{PolicyData: "unix:/p"}, "exim asks no policy server"},
		{Postfix, Options{EximData: "accept"}, "postfix has no ACLs"},
		{Postfix, Options{Milters: []string{"127.0.0.1:1"}}, `bad address "127.0.0.1:1"`},
		{Postfix, Options{MilterDefault: "quarantine"}, `bad MilterDefault "quarantine"`},
	} {
		if err := c.o.check(c.mta); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %+v: got %v, want %q", c.mta, c.o, err, c.want)
		}
	}
}
