package doctor

import (
	"os"
	"strings"
	"testing"
)

// eximConfig is a part of what "exim4 -bP config" prints, with contrib's lines.
const eximConfig = `# Exim Configuration (4.96)
primary_hostname = mx.example.org
acl_smtp_rcpt = acl_check_rcpt

begin acl

  acl_check_rcpt:
    accept
    hosts = :
    deny
    domains = +local_domains
    local_parts = ^[.]
    accept
    local_parts = postmaster
    domains = +local_domains : +relay_to_domains
    accept hosts = +relay_from_hosts
    require message = relay not permitted
    domains = +local_domains : +relay_to_domains
    require
    acl = acl_greyglass RCPT
    accept

  acl_check_predata:
    require
    acl = acl_greyglass DATA
    accept

  acl_check_data:
    require
    acl = acl_greyglass END-OF-MESSAGE
    accept

  acl_greyglass:
    warn
    set acl_m_greyglass_answer = ${readsocket{/run/greyglass/policy.sock}{$acl_m_greyglass_request\n}{5s}{}{action=DUNNO}}
    set acl_m_greyglass_reply = ${if match{$acl_m_greyglass_answer}{\N^action=([45]\d\d [ -~]{1,500})\n\N}{$1}}
    accept

begin routers

  acl_decoy:
    data = ${readsocket{/run/greyglass/policy.sock}{x}}
`

const eximOptions = "acl_smtp_rcpt = acl_check_rcpt\nacl_smtp_predata = acl_check_predata\nacl_smtp_data = acl_check_data\nchunking_advertise_hosts = *\nexim_user = Debian-exim\n"

func TestExim(t *testing.T) {
	for _, c := range []struct {
		name   string
		oldnew []string // in both
		want   []string
		right  []string
	}{
		{name: "as shipped", right: []string{"asks Greyglass as a policy service (acl_smtp_rcpt = acl_check_rcpt, by readsocket /run/greyglass/policy.sock)",
			"may open /run/greyglass/policy.sock (as user Debian-exim)", "asks only about mail that it would not refuse", "asks again at DATA, and at the end of what comes by BDAT", "mail goes on"}},
		{name: "inet", oldnew: []string{"/run/greyglass/policy.sock", "inet:127.0.0.1:8897"}, right: []string{"asks Greyglass as a policy service"}},
		{name: "ACL by an expansion", oldnew: []string{"acl_smtp_rcpt = acl_check_rcpt", "acl_smtp_rcpt = ${if ={25}{$interface_port}{acl_check_rcpt}{acl_other}}"}, right: []string{"asks Greyglass as a policy service"}},
		{name: "not attached", oldnew: []string{"acl = acl_greyglass RCPT", "", "acl = acl_greyglass DATA", "", "acl = acl_greyglass END-OF-MESSAGE", ""}, right: []string{"does not ask Greyglass"}},
		{name: "another socket", oldnew: []string{"policy.sock", "other.sock"}, right: []string{"does not ask Greyglass"}},
		{name: "no predata", oldnew: []string{"acl_smtp_predata = acl_check_predata", "acl_smtp_predata = "}, right: []string{"asks again at DATA, when the message has come"}},
		{name: "no data", oldnew: []string{"acl_smtp_data = acl_check_data", "acl_smtp_data = "}, want: []string{"wrong: mail from the null sender that comes by BDAT is never greylisted"}},
		{name: "data does not ask", oldnew: []string{"acl = acl_greyglass END-OF-MESSAGE", ""}, want: []string{"wrong: mail from the null sender that comes by BDAT is never greylisted"}},
		{name: "data asks behind an accept", oldnew: []string{"require\n    acl = acl_greyglass END", "accept\n    require\n    acl = acl_greyglass END"}, want: []string{"wrong: mail from the null sender that comes by BDAT is never greylisted"}},
		{name: "no data, and no BDAT", oldnew: []string{"acl_smtp_data = acl_check_data", "acl_smtp_data = ", "hosts = *", "hosts = "}, right: []string{"asks again at DATA, so that bounces are greylisted (acl_smtp_predata; BDAT"}},
		{name: "no data, by an Exim that does not know BDAT", oldnew: []string{"acl_smtp_data = acl_check_data", "acl_smtp_data = ", "chunking_advertise_hosts = *", "chunking_advertise_hosts is not a known option"}, right: []string{"asks again at DATA, so that bounces"}},
		{name: "neither", oldnew: []string{"acl = acl_greyglass END-OF-MESSAGE", "", "acl = acl_greyglass DATA", ""}, want: []string{"wrong: mail from the null sender (bounces"}},
		{name: "neither, and no BDAT", oldnew: []string{"acl = acl_greyglass END-OF-MESSAGE", "", "acl = acl_greyglass DATA", "", "hosts = *", "hosts = "}, want: []string{"wrong: mail from the null sender (bounces"}},
		{name: "predata and data only", oldnew: []string{"acl = acl_greyglass RCPT", ""}, want: []string{"wrong: asks Greyglass about messages, but never about a recipient"}},
		{name: "no failure string", oldnew: []string{"{5s}{}{action=DUNNO}", "{5s}"}, want: []string{"wrong: mail is held up when Greyglass is down"}},
		{name: "a failure string that defers", oldnew: []string{"action=DUNNO", "action=451 4.3.0 Later\\n\\n"}, want: []string{`wrong: mail is held up or refused when Greyglass is down (readsocket takes "action=451`}},
		{name: "never shuts down", oldnew: []string{"{5s}", "{5s:shutdown=no}"}, want: []string{"wrong: readsocket has shutdown=no"}},
		{name: "waits long", oldnew: []string{"{5s}", "{2m}"}, want: []string{"warn: a hanging Greyglass would hold up each recipient for 2m0s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := strings.NewReplacer(c.oldnew...)
			s := subject(t, nil, map[string]string{
				"exim4 -bP config": r.Replace(eximConfig),
				"exim4 -bP acl_smtp_rcpt acl_smtp_predata acl_smtp_data chunking_advertise_hosts exim_user": r.Replace(eximOptions),
			})
			got := examine(t, s, checkExim)
			wantProblems(t, got, c.want...)
			wantOK(t, got, c.right...)
		})
	}
}

// Where the question stands in the ACL at RCPT.
func TestEximOrder(t *testing.T) {
	const (
		ask     = "require acl = acl_greyglass RCPT\n"
		check   = "require message = relay not permitted\ndomains = +local_domains : +relay_to_domains\n"
		never   = `wrong: never asks Greyglass about a recipient, because the question stands behind an unconditional "`
		before  = "wrong: the question stands before the check against relaying"
		noCheck = "warn: no check against relaying was found before the question"
	)
	for _, c := range []struct {
		name, acl string
		want      []string
	}{
		{"as shipped", check + ask + "accept\n", nil},
		{"behind an accept", check + "accept\n" + ask, []string{never + `accept" (in acl_check_rcpt)`}},
		{"behind an accept that does something", check + "accept\ncontrol = submission\nlogwrite = yes\n" + ask, []string{never + "accept"}},
		{"behind an accept of every client", check + "accept hosts = *\n" + ask, []string{never + "accept"}},
		{"behind a deny", check + "deny message = no\n" + ask, []string{never + "deny"}},
		{"behind conditions", check + "accept hosts = :\naccept authenticated = *\naccept\n!condition = yes\nwarn\nrequire\n" + ask, nil},
		{"twice, once before the accept", check + ask + "accept\n" + ask, nil},
		{"in an ACL behind an accept", check + "require acl = acl_site\naccept\n", nil},
		{"in an ACL that accepts first", check + "require acl = acl_open\naccept\n", []string{never + `accept" (in acl_open)`}},
		{"an accept of another ACL", check + "require acl = acl_other\n" + ask, nil},
		{"itself in a loop", check + "require acl = acl_check_rcpt\n" + ask, nil},

		{"before the check", ask + check + "accept\n", []string{before}},
		{"no check", ask + "accept\n", []string{noCheck}},
		{"an ACL before the check", "require acl = acl_site\n" + check, []string{before}},
		{"behind a deny of other domains", "deny !authenticated = *\ndomains = !+local_domains\n" + ask, nil},
		{"behind a deny with a negated test", "deny\n!domains = +local_domains\n!hosts = +relay_from_hosts\n" + ask, nil},
		{"behind a deny of an ACL about relaying", "deny !acl = acl_may_relay\n" + ask, nil},
		{"behind a deny that says what it is about", "deny condition = ${if eq{$domain}{a.test}{no}{yes}}\nmessage = Relaying denied\n" + ask, nil},
		{"behind a deny of some local parts", "deny domains = !+local_domains\nlocal_parts = ^[.]\n" + ask + check, []string{before}},
		{"behind a deny of our domains", "deny domains = +relay_to_domains\n!verify = recipient\n" + ask + check, []string{before}},
		{"behind an accept of our domains", "accept domains = +local_domains\n" + ask + "deny message = relay not permitted\n", []string{before}},
		{"behind a test of its own", "require\ndomains = +local_domains\nacl = acl_greyglass RCPT\n", nil},
		{"before a test of its own", "deny\n!acl = acl_greyglass RCPT\ndomains = +local_domains\n", []string{noCheck}},
	} {
		t.Run(c.name, func(t *testing.T) {
			head, rest, _ := strings.Cut(eximConfig, "  acl_check_rcpt:\n")
			_, rest, _ = strings.Cut(rest, "\n\n")
			others := "acl_site:\n" + ask + "acl_open: accept\n" + ask + "acl_other: accept\n"
			s := subject(t, nil, map[string]string{
				"exim4 -bP config": head + "acl_check_rcpt:\n" + c.acl + others + rest,
				"exim4 -bP acl_smtp_rcpt acl_smtp_predata acl_smtp_data chunking_advertise_hosts exim_user": eximOptions,
			})
			wantProblems(t, examine(t, s, checkExim), c.want...)
		})
	}
	s := subject(t, nil, map[string]string{
		"exim4 -bP config": eximConfig,
		"exim4 -bP acl_smtp_rcpt acl_smtp_predata acl_smtp_data chunking_advertise_hosts exim_user": strings.Replace(eximOptions,
			"= acl_check_rcpt", "= require acl = acl_greyglass RCPT", 1),
	})
	wantProblems(t, examine(t, s, checkExim), noCheck)
}

func TestEximThatCannotBeAsked(t *testing.T) {
	s := subject(t, nil, nil)
	wantOK(t, examine(t, s, checkExim), "not installed")
	s.EximConfig = "/in/exim.conf"
	wantProblems(t, examine(t, s, checkExim), "wrong: its configuration cannot be read")

	const options = " -bP acl_smtp_rcpt acl_smtp_predata acl_smtp_data chunking_advertise_hosts exim_user"
	s = subject(t, nil, map[string]string{"exim -C /in/exim.conf -bP config": eximConfig, "exim -C /in/exim.conf" + options: eximOptions})
	s.EximConfig = "/in/exim.conf"
	wantOK(t, examine(t, s, checkExim), "asks Greyglass as a policy service")
	s.EximConfig = ""
	wantProblems(t, examine(t, s, checkExim), "wrong: its configuration cannot be read")
}

// The very lines that users paste.
func TestShippedACL(t *testing.T) {
	text, err := os.ReadFile("../../../../contrib/exim/acl_greyglass.conf")
	if err != nil {
		t.Fatal(err)
	}
	got := readsockets(parseACLs("begin acl\n" + string(text))["acl_greyglass"])
	if len(got) != 1 || got[0] != (readsocket{"/run/greyglass/policy.sock", "5s", "action=DUNNO", true}) {
		t.Errorf("got %+v", got)
	}
}
