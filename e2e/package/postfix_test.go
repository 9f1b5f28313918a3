package pkg

import (
	"regexp"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// send sends mail to this machine's Postfix from an unknown client.
const send = "swaks --server 192.0.2.1 --local-interface 203.0.113.7 --helo mx.example.net --from ann@example.net --to root@localhost --body hello"

// Beside a real Postfix, contrib/postfix's page is followed word by word, until
// mail is greylisted, and then accepted: with another milter, an OpenDKIM, that is
// configured already, which must get what Greyglass accepts; and
// by policy, with restrictions that are configured already.
func TestPostfixPage(t *testing.T) {
	t.Parallel()
	page := read(t, "contrib/postfix/README.md")
	policy := section(t, page, "As a policy service")
	working := section(t, page, "See that it works")
	for _, c := range []struct {
		name   string
		before func(m *lab.Machine)
		follow []string // commands
		after  func(t *testing.T, m *lab.Machine)
		via    string
	}{
		{"milter", withOpenDKIM, commands(blocks(section(t, page, "As a milter"), "sh")[0]), func(t *testing.T, m *lab.Machine) {
			wants(t, m.Run("postconf -h smtpd_milters"), "{ inet:127.0.0.1:8895, default_action=accept } inet:127.0.0.1:8891\n")
			wants(t, m.Run("greyglass doctor"), "asks Greyglass before other milters")
			eventually(t, "the header of OpenDKIM on the two messages that were accepted", func() bool {
				return m.Try("grep -c ^Authentication-Results: /var/mail/root").Output == "2\n"
			})
		}, "via=milter"},
		{"policy", withRestrictions, commands(blocks(policy, "sh")[0]), func(t *testing.T, m *lab.Machine) {
			wants(t, m.Run("postconf -h smtpd_recipient_restrictions"), restrictions+" ")
			wants(t, m.Run("greyglass doctor"), "asks only about mail for this machine's own domains", "asks again at DATA")
		}, "via=policy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t)
			withPostfix(m)
			c.before(m)
			m.Run("apt-get install -q -y ./greyglass.deb")
			wants(t, m.Run(send), "250 2.0.0 Ok: queued")

			for _, command := range append(c.follow, commands(blocks(working, "sh")[0])...) {
				m.Run(once(command))
			}
			if r := m.Try(send); r.Status == 0 || !strings.Contains(r.Output, "451 4.7.1 ") || !strings.Contains(r.Output, "Greylisted, please try again in 1 hour") {
				t.Errorf("mail of an unknown client is not deferred: %s", r.Output)
			}
			m.Run("greyglass pass 203.0.113.7 ann@example.net root@localhost")
			wants(t, m.Run(send), "250 2.0.0 Ok: queued")
			wants(t, m.Run("journalctl -u greyglass -o cat"), "verdict=defer reason=not-seen-before client=203.0.113.7", "verdict=accept reason=already-grey", c.via)
			wants(t, m.Run("greyglass log --domain example.net"), " deferred ann@example.net -> root@localhost from 203.0.113.7 ", ": not-seen-before; retry passes in 1 hour", ": already-grey")
			if wrong := lines(m.Run("greyglass doctor"), "WRONG"); len(wrong) > 0 {
				t.Errorf("greyglass doctor says %q", wrong)
			}
			c.after(t, m)
			// When Greyglass is down, mail passes.
			m.Run("systemctl stop greyglass.socket greyglass.service")
			wants(t, m.Run(strings.Replace(send, "ann@", "joe@", 1)), "250 2.0.0 Ok: queued")
		})
	}
}

// withOpenDKIM has Postfix ask an OpenDKIM, which checks the signatures of mail.
func withOpenDKIM(m *lab.Machine) {
	m.Run("apt-get install -q -y --no-install-recommends opendkim")
	m.Run("sed -i '/^Socket/d; s/^Mode.*/Mode v/' /etc/opendkim.conf && printf 'Socket inet:8891@127.0.0.1\nAlwaysAddARHeader yes\n' >>/etc/opendkim.conf && systemctl restart opendkim")
	m.Run("postconf -e smtpd_milters=inet:127.0.0.1:8891 && postfix reload")
}

// restrictions are those of a site, which stay.
const restrictions = "permit_mynetworks, reject_invalid_helo_hostname"

// withRestrictions gives Postfix restrictions on recipients; those at DATA are empty.
func withRestrictions(m *lab.Machine) {
	m.Run("postconf -e 'smtpd_recipient_restrictions = " + restrictions + "' && postfix reload")
}

// withPostfix installs Debian's Postfix, as a site that receives mail from the network.
func withPostfix(m *lab.Machine) {
	m.Run(`echo "postfix postfix/main_mailer_type select Internet Site" | debconf-set-selections && apt-get install -q -y --no-install-recommends postfix`)
	m.Run("systemctl is-active postfix@-.service || systemctl start postfix")
}

// section returns what stands in a Markdown document below a heading.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, below, ok := strings.Cut(page, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no section %q", heading)
	}
	text, _, _ := strings.Cut(below, "\n## ")
	return text
}

// blocks returns the fenced blocks of a language.
func blocks(text, language string) (found []string) {
	for _, m := range regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	return found
}

// commands are the lines of a block, without what is said about them.
func commands(block string) (all []string) {
	for line := range strings.Lines(block) {
		line, _, _ = strings.Cut(line, "  #")
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// once is a command as it is written, but for following a log without end.
func once(command string) string {
	return strings.TrimSuffix(command, " --follow")
}
