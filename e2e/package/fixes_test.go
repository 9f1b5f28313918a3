package pkg

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// step is a problem that doctor finds, and the part of its fix that is followed.
type step struct {
	problem string // is part of what doctor finds
	words   string // are part of the fix
	do      string // does what the words say; empty: the words are the command
}

const toml = "/etc/greyglass/greyglass.toml"

// add writes lines to the configuration, and has the daemon read it.
func add(lines string) string {
	return "printf '%s\\n' '" + strings.ReplaceAll(lines, "\n", "' '") + "' >>" + toml + "; systemctl restart greyglass; systemctl is-active greyglass"
}

// What is broken on a machine with Postfix on which all is well, and how doctor
// says to fix it.
var fixes = []struct {
	name   string
	breaks string
	steps  []step
	undo   string // of what is still different
}{
	{"the daemon is stopped", "systemctl stop greyglass.socket greyglass.service",
		[]step{{"does not answer at milter inet:127.0.0.1:8895", "systemctl start greyglass", ""}}, ""},
	{"the daemon hangs", "systemctl kill -s STOP --kill-who=main greyglass",
		[]step{{"does not answer at milter inet:127.0.0.1:8895", "systemctl restart greyglass", ""}}, ""},
	{"it only observes", add("[greylist]\nmode = \"observe\""),
		[]step{{`greylist.mode is "observe"`, `set greylist.mode = "enforce"`, `sed -i 's/^mode = .*/mode = "enforce"/' ` + toml + " && systemctl reload greyglass"}}, ""},
	{"a list is missing", "rm /etc/greyglass/exceptions.list && systemctl restart greyglass",
		[]step{{"no such file", "create the file (it may be empty)", ": >/etc/greyglass/exceptions.list"}}, ""},
	{"it listens nowhere", add("[listen]\nmilter = []\npolicy = []"),
		[]step{{"no mail server can reach it", "name an address in listen.milter", `sed -i 's|^milter = .*|milter = ["inet:127.0.0.1:8895"]|' ` + toml + " && systemctl restart greyglass"}}, ""},

	{"Postfix may not open the socket", unix,
		[]step{{"may not open /run/greyglass/milter.sock", "adduser postfix greyglass", "adduser postfix greyglass && systemctl restart postfix"}}, ""},
	{"Postfix may not open the socket by its mode", unix + "; adduser postfix greyglass; " + add("[listen]\nsocket_mode = \"0600\""),
		[]step{{"may not open /run/greyglass/milter.sock", `set listen.socket_mode to "0660"`, `sed -i 's/^socket_mode = .*/socket_mode = "0660"/' ` + toml + " && systemctl restart greyglass"}}, ""},
	{"smtpd is chrooted, inet", unix + "; postconf -F smtp/inet/chroot=y && postfix reload",
		[]step{{"cannot reach /run/greyglass/milter.sock", "use inet:127.0.0.1:8895 instead", askFirst("")}}, ""},
	{"smtpd is chrooted, out of the chroot", unix + "; adduser postfix greyglass; postconf -F smtp/inet/chroot=y && postfix reload",
		[]step{{"cannot reach /run/greyglass/milter.sock", "write n for - or y in the fifth column (chroot) of smtpd's line in master.cf", "postconf -F smtp/inet/chroot=n && postfix reload"}}, ""},

	{"Postfix holds mail up", "postconf -e milter_default_action=tempfail smtpd_milters=inet:127.0.0.1:8895 && postfix reload",
		[]step{{"mail is held up when Greyglass is down", askFirst(""), ""}}, ""},
	{"Postfix does not ask", "postconf -X smtpd_milters && postfix reload",
		[]step{{"no mail server asks Greyglass", askFirst(""), ""}}, ""},
	{"Postfix asks only another milter", "postconf -e smtpd_milters=inet:127.0.0.1:9 && postfix reload",
		[]step{{"no mail server asks Greyglass", askFirst(", inet:127.0.0.1:9"), ""}}, ""},
	{"Postfix asks another milter first", "postconf -e smtpd_milters=inet:127.0.0.1:9,inet:127.0.0.1:8895 milter_default_action=accept && postfix reload",
		[]step{{"asks 1 other milter(s) before Greyglass", askFirst(", inet:127.0.0.1:9"), ""}}, ""},
	{"Postfix asks about local mail", "postconf -e non_smtpd_milters=inet:127.0.0.1:8895 && postfix reload",
		[]step{{"asks also about mail of this machine's own", "postconf -e 'non_smtpd_milters =' && postfix reload", ""}}, ""},
	{"master.cf names another milter", "postconf -P smtp/inet/smtpd_milters=inet:127.0.0.1:9 && postfix reload",
		[]step{{"no mail server asks Greyglass", "postconf -P 'smtp/inet/smtpd_milters={inet:127.0.0.1:8895,default_action=accept},inet:127.0.0.1:9' && postfix reload", ""}}, ""},
	{"Postfix overrides its milters", "postconf -e receive_override_options=no_milters && postfix reload",
		[]step{{"receive_override_options = no_milters", "postconf -e 'receive_override_options =' && postfix reload", ""}}, ""},
	{"an old milter protocol", "postconf -e milter_protocol=2 && postfix reload",
		[]step{{"milter_protocol = 2", "remove milter_protocol from main.cf", "postconf -X milter_protocol && postfix reload"}}, ""},
	{"the site's own network is not known", "postconf -e 'mynetworks=127.0.0.0/8 192.0.2.0/24' && postfix reload",
		[]step{{"relays mail of 192.0.2.0/24", "write '" + ownNetwork + "' below [rules] in " + toml + ", and 'systemctl reload greyglass'",
			add("[rules]\n"+ownNetwork) + " && systemctl reload greyglass"}}, "postconf -X mynetworks && postfix reload"},

	{"the policy question stands too early", byPolicy + " && postconf -e 'smtpd_relay_restrictions=' 'smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:8897, reject_unauth_destination' && postfix reload",
		[]step{{"the question stands before reject_unauth_destination", "postconf -e 'smtpd_recipient_restrictions = reject_unauth_destination, permit_mynetworks, permit_sasl_authenticated, check_policy_service inet:127.0.0.1:8897' && postfix reload", ""}}, "postconf -X smtpd_relay_restrictions"},
	{"by policy, bounces are not asked about", byPolicy + " && postconf -X smtpd_data_restrictions && postfix reload",
		[]step{{"mail from the null sender", "postconf -e 'smtpd_data_restrictions = permit_mynetworks, permit_sasl_authenticated, check_policy_service inet:127.0.0.1:8897' && postfix reload", ""}}, ""},
	{"by policy, mail is held up", byPolicy + " && postconf -X smtpd_policy_service_default_action && postfix reload",
		[]step{{"mail is held up when Greyglass is down", "postconf -e 'smtpd_policy_service_default_action = DUNNO' && postfix reload", ""}}, ""},

	{"the database is missing", "systemctl stop greyglass.socket greyglass.service && rm /var/lib/greyglass/greyglass.db*",
		[]step{{"no database at", "start the daemon", "systemctl start greyglass"}}, ""},
	{"the database is another's", "systemctl stop greyglass.socket greyglass.service && rm /var/lib/greyglass/greyglass.db* && echo hello >/var/lib/greyglass/greyglass.db && systemctl start greyglass; true",
		[]step{{"not a Greyglass database", "give another path in store.url", "systemctl reset-failed; " + add("[store]\nurl = \"sqlite:/var/lib/greyglass/other.db\"")}},
		"rm /var/lib/greyglass/greyglass.db"},
	{"the database is corrupt", "systemctl stop greyglass.socket greyglass.service && sqlite3 /var/lib/greyglass/greyglass.db 'PRAGMA wal_checkpoint(TRUNCATE)'; dd if=/dev/urandom of=/var/lib/greyglass/greyglass.db bs=4096 seek=1 count=2 conv=notrunc status=none",
		[]step{
			{"is corrupt", "restart the daemon", "systemctl restart greyglass"},
			{"a database was found corrupt", "remove it", "rm /var/lib/greyglass/greyglass.db.corrupt-*"},
		}, ""},
	{"the database is root's", "systemctl stop greyglass.socket greyglass.service && chown root: /var/lib/greyglass/greyglass.db*",
		[]step{{"greyglass.db", "chown greyglass: /var/lib/greyglass/greyglass.db*", "chown greyglass: /var/lib/greyglass/greyglass.db* && systemctl start greyglass.socket greyglass.service"}}, ""},
}

const (
	unix       = "postconf -F smtp/inet/chroot=n && postconf -e 'smtpd_milters = { unix:/run/greyglass/milter.sock, default_action=accept }' && postfix reload"
	byPolicy   = "postconf -X smtpd_milters; cat policy.cf >>/etc/postfix/main.cf"
	ownNetwork = `allowed_sender_nets = ["192.0.2.0/24"]`
)

// askFirst has Postfix ask Greyglass before other milters.
func askFirst(others string) string {
	return "postconf -e 'smtpd_milters = { inet:127.0.0.1:8895, default_action=accept }" + others + "' && postfix reload"
}

// Each fix that doctor recommends, followed to the letter under systemd, ends with
// a doctor that finds nothing wrong.
func TestFixes(t *testing.T) {
	t.Parallel()
	m := machine(t)
	withPostfix(m)
	m.Run("apt-get install -q -y ./greyglass.deb && cp /etc/postfix/main.cf main.cf && cp /etc/postfix/master.cf master.cf")
	bringText(t, m, read(t, "contrib/postfix/policy.cf"), "/root/policy.cf")
	for _, f := range fixes {
		t.Run(f.name, func(t *testing.T) {
			// doctor reads files: only what it says must reach the running Postfix, too.
			quiet := strings.NewReplacer(" && postfix reload", "").Replace
			m.Run("cp main.cf master.cf /etc/postfix/ && " + quiet(askFirst("")) + "; deluser -q postfix greyglass; : >" + toml + "; systemctl stop greyglass.socket greyglass.service; systemctl reset-failed; systemctl start greyglass.socket greyglass.service")
			m.Try(quiet(f.breaks))
			for _, s := range f.steps {
				found, ok := diagnosed(t, m, s.problem)
				if !ok {
					t.Fatalf("doctor does not find %q, but\n%s", s.problem, m.Try("greyglass doctor").Output)
				}
				if !strings.Contains(found.Fix, s.words) {
					t.Fatalf("doctor does not say %q, but\n%v", s.words, found)
				}
				command := s.do
				if command == "" {
					command = s.words
				}
				m.Run(command)
				if still, ok := diagnosed(t, m, s.problem); ok {
					t.Errorf("after %s, doctor still finds %v", command, still)
				}
			}
			if r := m.Try("greyglass doctor"); r.Status != 0 {
				t.Errorf("after that, doctor finds\n%s", r.Output)
			}
			m.Run(quiet(f.undo))
		})
	}
}

// finding is one of "greyglass doctor --json".
type finding struct {
	Check, Status string
	Detail        string `json:"says"`
	Fix           string `json:"mend"`
}

func (f finding) String() string {
	return fmt.Sprintf("%s %s: %s\n\t%s", f.Status, f.Check, f.Detail, f.Fix)
}

// diagnosed returns the finding that is not right and says this.
func diagnosed(t *testing.T, m *lab.Machine, problem string) (finding, bool) {
	t.Helper()
	var all []finding
	out := m.Try("greyglass doctor --json 2>/dev/null").Output
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	for _, f := range all {
		if f.Status != "ok" && strings.Contains(f.Detail, problem) {
			return f, true
		}
	}
	return finding{}, false
}
