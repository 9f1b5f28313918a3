package doctor

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
)

// debianPostfix is a part of what "postconf -x" prints of a new Postfix 3.7.
const debianPostfix = `compatibility_level = 3.6
mail_owner = postfix
milter_default_action = tempfail
milter_protocol = 6
non_smtpd_milters =
queue_directory = /var/spool/postfix
receive_override_options =
smtpd_client_restrictions =
smtpd_data_restrictions =
smtpd_delay_reject = yes
smtpd_end_of_data_restrictions =
smtpd_helo_restrictions =
smtpd_milters =
smtpd_policy_service_default_action = 451 4.3.5 Server configuration problem
smtpd_policy_service_timeout = 100s
smtpd_recipient_restrictions =
smtpd_relay_before_recipient_restrictions = yes
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination
smtpd_restriction_classes =
smtpd_sender_restrictions =
`

const debianMaster = `smtp       inet  n       -       y       -       -       smtpd
submission inet  n       -       y       -       -       smtpd -o smtpd_milters=
pickup     unix  n       -       y       60      1       pickup
`

const (
	milterLines = "smtpd_milters = inet:127.0.0.1:8895\nmilter_default_action = accept\n"
	policyLines = `smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination, check_policy_service inet:127.0.0.1:8897
smtpd_data_restrictions = check_policy_service inet:127.0.0.1:8897
smtpd_policy_service_default_action = DUNNO
smtpd_policy_service_timeout = 5s
`
)

func TestPostfix(t *testing.T) {
	for _, c := range []struct {
		name   string
		main   string // over the defaults
		master string // empty: Debian's
		more   string // "postconf -Px"
		want   []string
		right  []string
	}{
		{name: "not attached", right: []string{"does not ask Greyglass"}},
		{name: "milter", main: milterLines, right: []string{"asks Greyglass as a milter", "mail goes on"}},
		{name: "milter, as Sendmail spells it", main: milterLines + "smtpd_milters = inet:8895@localhost", right: []string{"asks Greyglass as a milter"}},
		{name: "milter, by the host's name", main: milterLines + "smtpd_milters = inet:mx.example.org:8895", right: []string{"asks Greyglass as a milter"}},
		{name: "milter on another host", main: milterLines + "smtpd_milters = inet:mx.example.net:8895", right: []string{"does not ask Greyglass"}},
		{name: "milter at another port", main: milterLines + "smtpd_milters = inet:127.0.0.1:8891", right: []string{"does not ask Greyglass"}},
		{name: "milter with settings of its own", main: "smtpd_milters = { inet:127.0.0.1:8895, default_action = accept }, inet:127.0.0.1:8891",
			want: []string{"wrong: mail is held up"}}, // postconf takes the spaces for separators
		{name: "milter with settings of its own, well spelled", main: "smtpd_milters = { inet:127.0.0.1:8895, { default_action = accept }, connect_timeout=3s }, inet:127.0.0.1:8891",
			right: []string{"mail goes on", "before other milters"}},
		{name: "milter default action of 3.10", main: milterLines + "milter_default_action = tempfail", want: []string{"wrong: mail is held up when Greyglass is down (milter_default_action = tempfail)"}},
		{name: "milter default action of 3.11", main: milterLines + "milter_default_action = shutdown", want: []string{"wrong: sessions are closed when Greyglass is down"}},
		{name: "milter behind others", main: milterLines + "smtpd_milters = inet:127.0.0.1:8891, unix:opendkim/opendkim.sock, inet:127.0.0.1:8895",
			want: []string{"warn: asks 2 other milter(s) before Greyglass (inet:127.0.0.1:8891, unix:opendkim/opendkim.sock)"}},
		{name: "milter of an old protocol", main: milterLines + "milter_protocol = 2", want: []string{"warn: milter_protocol = 2"}},
		{name: "milter for local mail too", main: milterLines + "non_smtpd_milters = inet:127.0.0.1:8895", want: []string{"warn: asks also about mail of this machine's own"}},
		{name: "milter that is switched off", main: milterLines, more: "smtp/inet/receive_override_options = no_milters\n", want: []string{"wrong: names Greyglass in smtpd_milters, but"}},
		{name: "milter taken away in master.cf", main: milterLines, more: "smtp/inet/smtpd_milters =\n", right: []string{"does not ask Greyglass"}},
		{name: "milter by postscreen's smtpd", main: milterLines, master: "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\nsubmission inet n - y - - smtpd\n",
			more: "submission/inet/smtpd_milters =\n", right: []string{"asks Greyglass as a milter"}},
		{name: "milter at one of two services", main: milterLines, master: "192.0.2.1:25 inet n - n - - smtpd\n192.0.2.2:25 inet n - n - - smtpd\n",
			more: "192.0.2.2:25/inet/smtpd_milters =\n", right: []string{"192.0.2.1:25/inet: asks Greyglass", "192.0.2.2:25/inet: does not ask Greyglass"}},
		{name: "no smtpd", main: milterLines, master: "pickup unix n - y 60 1 pickup\n", right: []string{"takes no mail from the network"}},

		{name: "socket outside of the chroot", main: milterLines + "smtpd_milters = unix:/run/greyglass/milter.sock", want: []string{"wrong: cannot reach /run/greyglass/milter.sock"}},
		{name: "socket outside of the chroot, by an old default", main: milterLines + "smtpd_milters = local:/run/greyglass/milter.sock\ncompatibility_level = 0", master: "smtp inet n - - - - smtpd\n",
			want: []string{"wrong: cannot reach /run/greyglass/milter.sock"}},
		{name: "socket without a chroot", main: milterLines + "smtpd_milters = unix:/run/greyglass/milter.sock", master: "smtp inet n - - - - smtpd\n",
			right: []string{"may open /run/greyglass/milter.sock (as user postfix)"}},
		{name: "socket from within the queue's folder", main: milterLines + "smtpd_milters = unix:../../../run/greyglass/milter.sock", master: "smtp inet n - n - - smtpd\n",
			right: []string{"may open /run/greyglass/milter.sock"}},

		{name: "policy", main: policyLines, right: []string{"asks Greyglass as a policy service", "asks only about mail for this machine's own domains", "asks again at DATA", "mail goes on"}},
		{name: "policy by a class", main: policyLines + "smtpd_restriction_classes = grey\ngrey = check_policy_service inet:localhost:8897\nsmtpd_recipient_restrictions = reject_unauth_destination, grey",
			right: []string{"smtpd_recipient_restrictions: check_policy_service inet:localhost:8897"}},
		{name: "policy before relaying is refused", main: policyLines + "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:8897, reject_unauth_destination",
			want: []string{"wrong: the question stands before reject_unauth_destination, so"}},
		{name: "policy before relaying is refused a second time", main: policyLines + "smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:8897, reject_unauth_destination",
			want: []string{"warn: the question stands before reject_unauth_destination in smtpd_recipient_restrictions"}},
		{name: "policy alone in its list", main: policyLines + "smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:8897", right: []string{"asks only about mail for this machine's own domains"}},
		{name: "policy alone in its list, which is asked first", main: policyLines + "smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:8897\nsmtpd_relay_before_recipient_restrictions = no",
			want: []string{"wrong: the question stands before reject_unauth_destination, so"}},
		{name: "policy among what the client is asked", main: policyLines + "smtpd_recipient_restrictions =\nsmtpd_client_restrictions = check_policy_service inet:127.0.0.1:8897",
			want: []string{"wrong: the question stands before reject_unauth_destination, so"}},
		{name: "policy among what the client is asked, at once", main: policyLines + "smtpd_recipient_restrictions =\nsmtpd_client_restrictions = check_policy_service inet:127.0.0.1:8897\nsmtpd_delay_reject = no",
			want: []string{"wrong: asks Greyglass only in smtpd_data_restrictions"}},
		{name: "policy behind a permit", main: policyLines + "smtpd_recipient_restrictions = reject_unauth_destination, permit, check_policy_service inet:127.0.0.1:8897",
			want: []string{"wrong: the question is never reached"}},
		{name: "policy that only warns", main: policyLines + "smtpd_recipient_restrictions = reject_unauth_destination, warn_if_reject check_policy_service inet:127.0.0.1:8897",
			want: []string{"wrong: the answer is only logged"}},
		{name: "policy without the second question", main: policyLines + "smtpd_data_restrictions = reject_unauth_pipelining", want: []string{"wrong: mail from the null sender"}},
		{name: "policy with the second question behind a permit", main: policyLines + "smtpd_data_restrictions = permit, check_policy_service inet:127.0.0.1:8897", want: []string{"wrong: mail from the null sender"}},
		{name: "policy with the second question at the end", main: policyLines + "smtpd_data_restrictions =\nsmtpd_end_of_data_restrictions = check_policy_service inet:127.0.0.1:8897", right: []string{"asks again at DATA"}},
		{name: "policy that holds up mail", main: policyLines + "smtpd_policy_service_default_action = 451 4.3.5 Server configuration problem", want: []string{"wrong: mail is held up when Greyglass is down"}},
		{name: "policy that waits long", main: policyLines + "smtpd_policy_service_timeout = 100s", want: []string{"warn: a hanging Greyglass would hold up each recipient for 1m40s, twice"}},
		{name: "policy with settings of its own", main: policyLines + "smtpd_policy_service_default_action = 451 no\nsmtpd_recipient_restrictions = reject_unauth_destination, check_policy_service { inet:127.0.0.1:8897, timeout=3s, default_action=DUNNO }",
			right: []string{"mail goes on"}},
		{name: "milter, and postgrey still", main: milterLines + "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:127.0.0.1:10023",
			want: []string{"warn: asks postgrey too (smtpd_recipient_restrictions: inet:127.0.0.1:10023), so that mail waits twice"}},
		{name: "policy, and sqlgrey still", main: policyLines + "smtpd_client_restrictions = check_policy_service { unix:private/sqlgrey, timeout=3s }",
			want: []string{"warn: asks sqlgrey too (smtpd_client_restrictions: unix:private/sqlgrey)"}},
		{name: "milter, and milter-greylist still", main: milterLines + "smtpd_milters = inet:127.0.0.1:8895, unix:/run/milter-greylist.sock",
			want: []string{"warn: asks milter-greylist too (smtpd_milters: unix:/run/milter-greylist.sock)"}},
		{name: "another policy service", main: milterLines + "smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:10040", right: []string{"mail goes on"}},
		{name: "postgrey alone", main: "smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:10023", right: []string{"does not ask Greyglass"}},
		{name: "asked twice", main: milterLines + policyLines, want: []string{"warn: asks Greyglass twice"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			master := c.master
			if master == "" {
				master = debianMaster
			}
			s := subject(t, nil, map[string]string{"postconf -x": over(debianPostfix, c.main), "postconf -M": master, "postconf -Px": c.more})
			got := examine(t, s, checkPostfix)
			wantProblems(t, got, c.want...)
			wantOK(t, got, c.right...)
		})
	}
}

// over is a printed configuration in which later values take the place of
// earlier ones, as in main.cf.
func over(defaults, more string) string {
	values := make(map[string]string)
	for line := range strings.Lines(defaults + more) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		b.WriteString(name + " = " + values[name] + "\n")
	}
	return b.String()
}

func TestPostfixThatCannotBeAsked(t *testing.T) {
	s := subject(t, nil, nil)
	wantOK(t, examine(t, s, checkPostfix), "not installed")
	s.PostfixConfig = "/etc/postfix-in"
	wantProblems(t, examine(t, s, checkPostfix), "wrong: its configuration cannot be read")

	s = subject(t, nil, map[string]string{"postconf -x": debianPostfix})
	wantProblems(t, examine(t, s, checkPostfix), "wrong: its configuration cannot be read")
	s = subject(t, nil, map[string]string{"postconf -c /in -x": over(debianPostfix, milterLines), "postconf -c /in -M": debianMaster, "postconf -c /in -Px": ""})
	s.PostfixConfig = "/in"
	wantOK(t, examine(t, s, checkPostfix), "asks Greyglass as a milter")
}

// The fixes are commands that keep what is configured, in main.cf or where master.cf
// overrides it.
func TestPostfixFixes(t *testing.T) {
	const ours = "{ inet:127.0.0.1:8895, default_action=accept }"
	edit := func(settings ...string) string {
		return "postconf -c /in -e '" + strings.Join(settings, "' '") + "' && postfix -c /in reload"
	}
	const policy = "smtpd_policy_service_default_action = DUNNO\nsmtpd_policy_service_timeout = 5s\n"
	const ask = "check_policy_service inet:127.0.0.1:8897"
	const data = "\nsmtpd_data_restrictions = " + ask + "\n"
	for _, c := range []struct {
		name, main, more string
		problem, want    string
	}{
		{"no milter", "", "", "no mail server asks", edit("smtpd_milters = " + ours)},
		{"other milters", "smtpd_milters = { unix:/run/rspamd/milter.sock, default_action=tempfail } inet:8891@localhost", "", "no mail server asks",
			edit("smtpd_milters = " + ours + ", { unix:/run/rspamd/milter.sock, default_action=tempfail }, inet:8891@localhost")},
		{"other milters in master.cf", "smtpd_milters = inet:127.0.0.1:9", "smtp/inet/smtpd_milters = { unix:rspamd.sock, { default_action = tempfail } }\n", "no mail server asks",
			"postconf -c /in -P 'smtp/inet/smtpd_milters={inet:127.0.0.1:8895,default_action=accept},{unix:rspamd.sock,{default_action=tempfail}}' && postfix -c /in reload"},
		{"without accept", "smtpd_milters = inet:127.0.0.1:9, inet:127.0.0.1:8895", "", "mail is held up", edit("smtpd_milters = " + ours + ", inet:127.0.0.1:9")},
		{"local mail", milterLines + "non_smtpd_milters = inet:127.0.0.1:8895, inet:127.0.0.1:9", "", "asks also about mail", edit("non_smtpd_milters = inet:127.0.0.1:9")},
		{"switched off", milterLines, "smtp/inet/receive_override_options = no_milters,no_address_mappings\n", "names Greyglass",
			"postconf -c /in -P 'smtp/inet/receive_override_options=no_address_mappings' && postfix -c /in reload"},

		{"too early", policy + data + "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = " + ask + ", permit_mynetworks, reject_unauth_destination, reject_rbl_client zen.example, permit", "", "the question stands before",
			edit("smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, reject_rbl_client zen.example, " + ask + ", permit")},
		{"never reached", policy + data + "smtpd_recipient_restrictions = reject_unauth_destination, permit, " + ask, "", "never reached",
			edit("smtpd_recipient_restrictions = reject_unauth_destination, permit_mynetworks, permit_sasl_authenticated, " + ask + ", permit")},
		{"before a reject", policy + data + "smtpd_recipient_restrictions = check_recipient_access hash:/it's, warn_if_reject " + ask + ", reject", "", "only logged",
			edit(`smtpd_recipient_restrictions = check_recipient_access hash:/it'\''s, ` + ask + ", reject")},
		{"in another list", policy + data + "smtpd_client_restrictions = " + ask + ", reject_unknown_client_hostname", "", "the question stands before",
			edit("smtpd_client_restrictions = reject_unknown_client_hostname", "smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, "+ask)},
		{"in a class", policy + data + "smtpd_relay_restrictions =\nsmtpd_restriction_classes = grey\ngrey = " + ask + "\nsmtpd_recipient_restrictions = grey, reject_unauth_destination", "", "the question stands before",
			"put " + ask + " at the end of smtpd_recipient_restrictions instead of into a restriction class"},
		{"not at DATA", policy + "smtpd_recipient_restrictions = { reject_unauth_destination }, check_policy_service { inet:127.0.0.1:8897, timeout=9s }", "", "null sender",
			edit("smtpd_data_restrictions = permit_mynetworks, permit_sasl_authenticated, check_policy_service { inet:127.0.0.1:8897, timeout=9s }")},
		{"not reached at DATA", policy + "smtpd_recipient_restrictions = " + ask + "\nsmtpd_data_restrictions = permit_mynetworks, permit, " + ask, "", "null sender",
			edit("smtpd_data_restrictions = permit_mynetworks, " + ask + ", permit")},
		{"only at DATA", policy + data, "", "only in", edit("smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, " + ask)},
		{"held up", data + "smtpd_recipient_restrictions = " + ask, "smtp/inet/smtpd_policy_service_default_action = 451 no\n", "mail is held up",
			"postconf -c /in -P 'smtp/inet/smtpd_policy_service_default_action=DUNNO' && postfix -c /in reload"},
		{"held up by its own setting", data + "smtpd_recipient_restrictions = check_policy_service { inet:127.0.0.1:8897, default_action=DEFER }", "", "mail is held up",
			"write default_action=DUNNO in the braces after check_policy_service, then 'postfix reload'"},
		{"postgrey still", milterLines + "smtpd_recipient_restrictions = reject_unauth_destination check_policy_service inet:127.0.0.1:10023 permit", "", "asks postgrey too",
			edit("smtpd_recipient_restrictions = reject_unauth_destination, permit")},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := subject(t, nil, map[string]string{"postconf -c /in -x": over(debianPostfix, c.main), "postconf -c /in -M": debianMaster, "postconf -c /in -Px": c.more})
			s.PostfixConfig = "/in"
			for _, f := range examine(t, s, func(ctx context.Context, v *exam) { checkPostfix(ctx, v); checkAttachment(ctx, v) }) {
				if strings.Contains(f.Detail, c.problem) {
					if got, _, _ := strings.Cut(strings.TrimPrefix(f.Fix, "for Postfix, "), " (see "); got != c.want {
						t.Errorf("%s:\n%s\nwant\n%s", f.Detail, got, c.want)
					}
					return
				}
			}
			t.Errorf("%q is not found", c.problem)
		})
	}
}
