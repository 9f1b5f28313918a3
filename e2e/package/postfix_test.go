package pkg

import (
	"regexp"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// knock sends mail to this machine's Postfix as a stranger, and says how that went.
const knock = "swaks --server 192.0.2.1 --local-interface 203.0.113.7 --helo mx.example.net --from ann@example.net --to root@localhost --body hello"

// Beside a real Postfix, contrib/postfix's page is followed word by word, until
// mail is greylisted, and then let through.
func TestPostfixPage(t *testing.T) {
	t.Parallel()
	page := read(t, "contrib/postfix/README.md")
	milter, policy := section(t, page, "As a milter"), section(t, page, "As a policy service")
	working := section(t, page, "See that it works")
	for _, c := range []struct {
		name, lines, about string
		via                string
	}{
		{"milter", blocks(milter, "")[0], milter, "via=milter"},
		{"policy", read(t, "contrib/postfix/policy.cf"), policy, "via=policy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t)
			withPostfix(m)
			m.Run("apt-get install -q -y ./greyglass.deb")
			wants(t, m.Run(knock), "250 2.0.0 Ok: queued")

			// "Add the lines … to /etc/postfix/main.cf … Then run `postfix reload`."
			bringText(t, m, c.lines, "/root/lines")
			m.Run("cat lines >>/etc/postfix/main.cf")
			if !strings.Contains(c.about, "run `postfix reload`") {
				t.Fatal("the page does not say what to run")
			}
			m.Run("postfix reload")

			for _, command := range commands(blocks(working, "sh")[0]) {
				m.Run(once(command))
			}
			if r := m.Try(knock); r.Status == 0 || !strings.Contains(r.Output, "451 4.7.1 ") || !strings.Contains(r.Output, "Greylisted, please try again in 1 hour") {
				t.Errorf("a stranger's mail is not deferred: %s", r.Output)
			}
			m.Run("greyglass pass 203.0.113.7 ann@example.net root@localhost")
			wants(t, m.Run(knock), "250 2.0.0 Ok: queued")
			wants(t, m.Run("journalctl -u greyglass -o cat"), "verdict=defer reason=not-seen-before client=203.0.113.7", "verdict=accept reason=already-grey", c.via)
			if wrong := lines(m.Run("greyglass doctor"), "WRONG"); len(wrong) > 0 {
				t.Errorf("greyglass doctor says %q", wrong)
			}
			// When Greyglass is down, mail goes on.
			m.Run("systemctl stop greyglass.socket greyglass.service")
			wants(t, m.Run(strings.Replace(knock, "ann@", "joe@", 1)), "250 2.0.0 Ok: queued")
		})
	}
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
	if strings.HasPrefix(command, "journalctl") && strings.HasSuffix(command, " -f") {
		return strings.TrimSuffix(command, " -f")
	}
	return command
}
