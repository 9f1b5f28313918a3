package pkg

import (
	"strings"
	"testing"
)

// A customer says that mail of shop.example has not come: by the commands of
// contrib/howto.md, in the order of the page, it is found, explained, let in, and arrives
// through the real Postfix; then the rest of the page is followed.
func TestHowTo(t *testing.T) {
	t.Parallel()
	m := machine(t)
	withPostfix(m)
	m.Run("apt-get install -q -y ./greyglass.deb && useradd ann")
	m.Run(`postconf -e "smtpd_milters = { inet:127.0.0.1:8895, default_action=accept }" && postfix reload`)
	mail := strings.Replace(send, "ann@example.net", "ann@shop.example", 1)
	if r := m.Try(mail); r.Status == 0 || !strings.Contains(r.Output, "451 4.7.1 Greylisted") {
		t.Errorf("mail of an unknown client is not deferred: %s", r.Output)
	}
	shows := map[string]string{
		"greyglass log --domain shop.example --since 2d":                                       " deferred ann@shop.example -> root@localhost from 203.0.113.7 (mx.example.net): not-seen-before",
		"greyglass list --recipient root@localhost":                                            "ann@shop.example",
		"greyglass explain 203.0.113.7 ann@shop.example root@localhost":                        "too-soon",
		"greyglass pass 203.0.113.7 ann@shop.example root@localhost":                           "passed: 203.0.113.7 ann@shop.example root@localhost",
		"greyglass pass --domain shop.example --recipient root@localhost --yes":                "passed: 1 triplet; accepted at the sender's next attempt",
		"greyglass expect root@localhost --from @shop.example --for 10m":                       "expected: mail to root@localhost from @shop.example",
		"greyglass expect --list":                                                              "root@localhost  @shop.example",
		"journalctl --quiet --output export SYSLOG_FACILITY=2 | greyglass forecast -":          "\nRead: ",
		"journalctl --quiet --output export SYSLOG_FACILITY=2 | greyglass learn --dry-run -":   "would be learned: 1 triplets, 0 correspondents\nknown already: 1 triplets",
		"journalctl --quiet --output export SYSLOG_FACILITY=2 | greyglass learn --since 30d -": "learned: 1 triplets, 0 correspondents\nknown already: 1 triplets",
		"greyglass stats": "passed          2",
		"greyglass log --recipient root@localhost --reason not-seen-before --since 7d":                 " deferred ann@shop.example -> root@localhost ",
		"journalctl -u greyglass -o cat --grep 'msg=decision verdict=defer .*sender=ann@shop.example'": "reason=not-seen-before",
		"greyglass forget --recipient root@localhost --yes":                                            "forgotten: ",
		"systemctl start greyglass.socket greyglass.service":                                           "",
	}
	for _, block := range blocks(read(t, "contrib/howto.md"), "sh") {
		for _, command := range commands(block) {
			if strings.Contains(command, "milter-greylist") || strings.Contains(command, "--correspondent ") {
				continue // there is no milter-greylist here, and nobody has written to ann
			}
			command = strings.ReplaceAll(command, "bob@example.org", "root@localhost")
			if strings.HasPrefix(command, "greyglass pass --domain ") {
				m.Try(strings.Replace(mail, "ann@", "joe@", 1)) // which waits
			}
			if strings.HasPrefix(command, "greyglass pass --domain ") || strings.HasPrefix(command, "greyglass forget --recipient ") {
				command += " --yes" // there is no terminal to say yes at
			}
			if strings.HasPrefix(command, "greyglass forget --sender ") || strings.HasPrefix(command, "greyglass forget --client ") {
				wants(t, m.Try(command).Output, "no triplet") // is left
				continue
			}
			said := m.Run(command)
			if !strings.Contains(said, shows[command]) {
				t.Errorf("%s: no %q in: %s", command, shows[command], said)
			}
			delete(shows, command)
			if strings.HasPrefix(command, "greyglass pass 203.0.113.7 ") {
				wants(t, m.Run(mail), "250 2.0.0 Ok: queued")
			}
			if command == "greyglass expect --list" {
				m.Run("sleep 2")
				wants(t, m.Run(strings.ReplaceAll(mail, "ann@", "code@")), "250 2.0.0 Ok: queued")
				wants(t, m.Run("greyglass log --domain shop.example --since 1d"), "accepted code@shop.example -> root@localhost from 203.0.113.7 (mx.example.net): expected")
			}
		}
	}
	for command := range shows {
		t.Errorf("the page does not have the command %q", command)
	}
	m.Run("greyglass expect --cancel root@localhost && sleep 2") // the page says so, but not as a command
	if r := m.Try(mail); r.Status == 0 {
		t.Errorf("mail of a forgotten triplet is not deferred: %s", r.Output)
	}
}
