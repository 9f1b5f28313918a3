package main

import (
	"strings"
	"testing"

	"greyglass/milter"
)

const someRules = `
[[rule]]
name = "friends"
when = 'recipient in list("RECIPIENTS") || client_in_list("CLIENTS")'
then = "accept"

[[rule]]
name = "slow"
when = 'client_name == "" && sender_domain in ["Slow.example", "slower.example"]'
then = "greylist"
min_defer_time = "2h"
reply = "451 4.7.1 Come back in {wait}"

[[rule]]
name = "never"
when = 'sender_domain == "never.example"'
then = "deny"
reply = "550 5.7.1 Never"
`

// withRules is a site with ordered rules and the lists that they ask for.
func withRules(t *testing.T) *site {
	s := newSite(t, nil)
	s.write("recipients.list", "sales@example.org\n")
	s.write("clients.list", "203.0.113.64/28\n")
	rules := strings.NewReplacer("RECIPIENTS", s.path("recipients.list"), "CLIENTS", s.path("clients.list")).Replace(someRules)
	s.write("greyglass.toml", s.read("greyglass.toml")+rules)
	return s
}

func answered(t *testing.T, got milter.ProbeAnswer, verdict, reply string) {
	t.Helper()
	if string(got.Verdict) != verdict || got.Reply != reply {
		t.Errorf("got %s %q, want %s %q", got.Verdict, got.Reply, verdict, reply)
	}
}

// TestRules: the first rule that holds answers, or says how the greylist does, and
// their lists take effect by themselves.
func TestRules(t *testing.T) {
	t.Parallel()
	s := withRules(t)
	daemon := s.serve()
	answered(t, s.ask("203.0.113.7", "ann@never.example", "bob@example.org"), "deny", "550 5.7.1 Never")
	daemon.wait("decision", `"verdict":"deny"`, `"reason":"rule:never"`)
	answered(t, s.ask("203.0.113.7", "ann@never.example", "Sales@example.org"), "accept", "")
	answered(t, s.ask("203.0.113.65", "ann@never.example", "bob@example.org"), "accept", "")
	daemon.wait("decision", `"verdict":"accept"`, `"reason":"rule:friends"`)
	answered(t, s.ask("203.0.113.7", "ann@slow.example", "bob@example.org"), "defer", "451 4.7.1 Come back in 2 hours")
	daemon.wait("decision", `"reason":"not-seen-before"`, `"wait":7200`, `"rule":"slow"`)
	answered(t, s.ask("203.0.113.7", "ann@example.net", "bob@example.org"), "defer", "451 4.7.1 Greylisted, please try again in 1 hour")

	s.write("recipients.list", "bob@example.org\n")
	eventually(t, "the edit of a rule's list takes effect", func() bool {
		return s.ask("203.0.113.7", "ann@never.example", "bob@example.org").Verdict == "accept"
	})
	s.write("recipients.list", "<bob\n")
	daemon.wait("list", s.path("recipients.list"), "angle bracket")
	answered(t, s.ask("203.0.113.7", "ann@never.example", "bob@example.org"), "accept", "")
}

// TestExplainRules: each rule is shown with the facts that decided it.
func TestExplainRules(t *testing.T) {
	t.Parallel()
	s := withRules(t)
	s.create()
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"explain", "203.0.113.7", "ann@slow.example", "bob@example.org"}, []string{
			"- rule friends", `recipient in list("` + s.path("recipients.list") + `")=no`, "> rule slow", `client_name=""`, `sender_domain="slow.example"`, "> greylist"}},
		{[]string{"explain", "203.0.113.7", "ann@never.example", "bob@example.org"}, []string{
			"> rule never", `sender_domain="never.example"`, "rule:never", "550 5.7.1 Never"}},
		{[]string{"config"}, []string{
			"[[rule]]  # " + s.file + ":", `when = 'sender_domain == "never.example"'  # ` + s.file + ":", `min_defer_time = "7200s"`}},
	} {
		out := s.output(c.args...)
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%v lacks %q:\n%s", c.args, want, out)
			}
		}
	}
}

// TestExplainWhatIf: facts that are given take the place of those that are looked up.
func TestExplainWhatIf(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"dns.blocklists": `["bl.example.org"]`})
	s.write("greyglass.toml", s.read("greyglass.toml")+`
[[rule]]
name = "listed"
when = 'dnsbl()'
then = "defer"

[[rule]]
name = "ours"
when = 'client_name endsWith ".example.net" && spf == "pass"'
then = "accept"
`)
	s.create()
	for _, c := range []struct{ flags, want string }{
		{"--client-name mx.example.net --spf pass --dnsbl other.example", "> rule ours"},
		{"--client-name mx.example.net --spf fail --dnsbl other.example", "spf=fail by as given"},
		{"--dnsbl bl.example.org", "> rule listed"},
	} {
		out := s.output(append([]string{"explain", "192.0.2.7", "ann@example.net", "bob@example.org"}, strings.Fields(c.flags)...)...)
		if !strings.Contains(out, c.want) {
			t.Errorf("%s lacks %q:\n%s", c.flags, c.want, out)
		}
	}
	s.run("explain", "192.0.2.7", "ann@example.net", "bob@example.org", "--spf", "yes").fails(t, 64, "--spf")
}
