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
    require
    acl = acl_greyglass RCPT
    accept

  acl_check_predata:
    require
    acl = acl_greyglass DATA
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

const eximOptions = "acl_smtp_rcpt = acl_check_rcpt\nacl_smtp_predata = acl_check_predata\nacl_smtp_data = \nexim_user = Debian-exim\n"

func TestExim(t *testing.T) {
	for _, c := range []struct {
		name   string
		oldnew []string // in both
		want   []string
		right  []string
	}{
		{name: "as shipped", right: []string{"asks Greyglass as a policy service (acl_smtp_rcpt = acl_check_rcpt, by readsocket /run/greyglass/policy.sock)",
			"may open /run/greyglass/policy.sock (as user Debian-exim)", "asks again at DATA", "mail goes on"}},
		{name: "inet", oldnew: []string{"/run/greyglass/policy.sock", "inet:127.0.0.1:8897"}, right: []string{"asks Greyglass as a policy service"}},
		{name: "ACL by an expansion", oldnew: []string{"acl_smtp_rcpt = acl_check_rcpt", "acl_smtp_rcpt = ${if ={25}{$interface_port}{acl_check_rcpt}{acl_other}}"}, right: []string{"asks Greyglass as a policy service"}},
		{name: "not attached", oldnew: []string{"acl = acl_greyglass RCPT", "", "acl = acl_greyglass DATA", ""}, right: []string{"does not ask Greyglass"}},
		{name: "another socket", oldnew: []string{"policy.sock", "other.sock"}, right: []string{"does not ask Greyglass"}},
		{name: "no predata", oldnew: []string{"acl_smtp_predata = acl_check_predata", "acl_smtp_predata = "}, want: []string{"wrong: mail from the null sender"}},
		{name: "at the end of data in its place", oldnew: []string{"acl_smtp_predata = acl_check_predata\nacl_smtp_data = ", "acl_smtp_predata = \nacl_smtp_data = acl_check_predata"}, right: []string{"asks again at DATA"}},
		{name: "predata only", oldnew: []string{"acl = acl_greyglass RCPT", ""}, want: []string{"wrong: asks Greyglass about messages, but never about a recipient"}},
		{name: "no failure string", oldnew: []string{"{5s}{}{action=DUNNO}", "{5s}"}, want: []string{"wrong: mail is held up when Greyglass is down"}},
		{name: "a failure string that defers", oldnew: []string{"action=DUNNO", "action=451 4.3.0 Later\\n\\n"}, want: []string{`wrong: mail is held up or refused when Greyglass is down (readsocket takes "action=451`}},
		{name: "never shuts down", oldnew: []string{"{5s}", "{5s:shutdown=no}"}, want: []string{"wrong: readsocket has shutdown=no"}},
		{name: "waits long", oldnew: []string{"{5s}", "{2m}"}, want: []string{"warn: a hanging Greyglass would hold up each recipient for 2m0s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := strings.NewReplacer(c.oldnew...)
			s := subject(t, nil, map[string]string{
				"exim4 -bP config": r.Replace(eximConfig),
				"exim4 -bP acl_smtp_rcpt acl_smtp_predata acl_smtp_data exim_user": r.Replace(eximOptions),
			})
			got := examine(t, s, lookAtExim)
			says(t, got, c.want...)
			right(t, got, c.right...)
		})
	}
}

func TestEximThatCannotBeAsked(t *testing.T) {
	s := subject(t, nil, nil)
	right(t, examine(t, s, lookAtExim), "not installed")
	s.EximConfig = "/in/exim.conf"
	says(t, examine(t, s, lookAtExim), "wrong: its configuration cannot be read")

	const options = " -bP acl_smtp_rcpt acl_smtp_predata acl_smtp_data exim_user"
	s = subject(t, nil, map[string]string{"exim -C /in/exim.conf -bP config": eximConfig, "exim -C /in/exim.conf" + options: eximOptions})
	s.EximConfig = "/in/exim.conf"
	right(t, examine(t, s, lookAtExim), "asks Greyglass as a policy service")
	s.EximConfig = ""
	says(t, examine(t, s, lookAtExim), "wrong: its configuration cannot be read")
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
