package doctor

import (
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

// The milters that are configured stay, behind ours, with their own settings.
func TestAskFirst(t *testing.T) {
	const ours = "{ inet:127.0.0.1:8895, default_action=accept }"
	for milters, want := range map[string]string{
		"":                    ours,
		"inet:8891@localhost": ours + ", inet:8891@localhost",
		"{ unix:/run/rspamd/milter.sock, default_action=tempfail }, inet:127.0.0.1:8895": ours + ", { unix:/run/rspamd/milter.sock, default_action=tempfail }",
	} {
		v := &exam{milters: elements(milters), Subject: Subject{PostfixConfig: "/in"}}
		want = "postconf -c /in -e 'smtpd_milters = " + want + "' && postfix -c /in reload"
		if got := v.askFirst("inet:127.0.0.1:8895"); got != want {
			t.Errorf("%q:\n%s\nwant\n%s", milters, got, want)
		}
	}
}
