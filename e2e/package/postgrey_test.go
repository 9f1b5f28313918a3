package pkg

import (
	"strings"
	"testing"
)

// A site moves from postgrey on a Friday, by each command of contrib/postgrey.md: both run
// side by side, and then Greyglass alone, with what postgrey knew; doctor finds nothing left.
func TestPostgreyPage(t *testing.T) {
	t.Parallel()
	m := machine(t)
	withPostfix(m)
	m.Run("apt-get install -q -y --no-install-recommends postgrey && systemctl start postgrey")
	m.Run("postconf -e 'smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, check_policy_service inet:127.0.0.1:10023, reject_non_fqdn_sender' && postfix reload")
	// What postgrey knows: a sender that passed an hour ago.
	m.Run(`bash -c 'exec 3<>/dev/tcp/127.0.0.1/10023
		for age in 7200 3600; do
			printf "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=203.0.113.9\nclient_name=unknown\nsender=ann@example.net\nrecipient=root@localhost\npolicy_test_time=%s\n\n" $(($(date +%s) - age)) >&3
			read -r answer <&3; read -r empty <&3; echo "$answer"
		done'`)
	unknown := strings.Replace(send, "ann@", "joe@", 1)
	page := read(t, "contrib/postgrey.md")
	follow := func(heading string) (said string) {
		var all []string
		for _, block := range blocks(section(t, page, heading), "sh") {
			for _, command := range commands(block) {
				if strings.HasPrefix(command, "apt-get install ") {
					command += " -q -y" // there is no terminal to say yes at
				}
				all = append(all, command)
			}
		}
		return m.Run(strings.Join(all, " && \n"))
	}

	m.Run("apt-get install -q -y ./greyglass.deb")
	friday := follow("On Friday: beside postgrey")
	wants(t, friday, `greylist.mode is "observe"`, "asks postgrey too (smtpd_recipient_restrictions: inet:127.0.0.1:10023), so that mail waits twice")
	if r := m.Try(unknown); !strings.Contains(r.Output, "450 4.2.0 ") || !strings.Contains(r.Output, "Greylisted") {
		t.Errorf("postgrey does not decide any more: %s", r.Output)
	}
	wants(t, m.Run(send), "250 2.0.0 Ok: queued")
	wants(t, m.Run("greyglass log"), "ann@example.net -> root@localhost") // which postgrey accepts
	_, fix, _ := strings.Cut(friday, "asks postgrey too")
	_, fix, _ = strings.Cut(fix, "'smtpd_recipient_restrictions = ")
	fix, _, _ = strings.Cut(fix, "'")

	monday := follow("On Monday: instead of postgrey")
	wants(t, monday, "would be taken over: 2 triplets, ", "\ntaken over: 2 triplets, ") // the sender that waits, too
	for _, line := range append(lines(monday, "WRONG"), lines(monday, "warn ")...) {
		if !strings.HasPrefix(line, "warn   disk ") { // which is that of whoever runs this
			t.Errorf("doctor finds %s", line)
		}
	}
	if now := strings.TrimSpace(m.Run("postconf -h smtpd_recipient_restrictions")); now != fix || !strings.Contains(now, "reject_non_fqdn_sender") {
		t.Errorf("the restrictions are %q by the page, and %q by doctor's fix", now, fix)
	}
	wants(t, m.Run(send), "250 2.0.0 Ok: queued")
	wants(t, m.Run("greyglass log"), ": already-grey")
	if r := m.Try(strings.Replace(send, "ann@", "new@", 1)); !strings.Contains(r.Output, "451 4.7.1 Greylisted, please try again in 5 minutes") {
		t.Errorf("mail of an unknown sender is not deferred: %s", r.Output)
	}
}
