package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// finding is one of "greyglass doctor --json".
type finding struct {
	Check, Status string
	Detail        string `json:"says"`
	Fix           string `json:"mend"`
}

func (f finding) String() string { return fmt.Sprintf("%s %s: %s", f.Status, f.Check, f.Detail) }

// doctor runs "greyglass doctor" on the mail server's machine.
func (s *site) doctor(args ...string) (stdout, stderr string, status int) {
	s.t.Helper()
	where := map[lab.MTA][]string{
		lab.Postfix:  {"--postfix-config", s.mx.Conf()},
		lab.Sendmail: {"--sendmail-cf", filepath.Join(s.mx.Conf(), "sendmail.cf")},
		lab.Exim:     {"--exim-config", filepath.Join(s.mx.Conf(), "exim.conf")},
	}[s.mta]
	args = append(append([]string{"doctor", "--config", s.config}, where...), args...)
	cmd := exec.Command(lab.Program(), args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := s.mx.Run(cmd); err != nil && cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// diagnose returns what doctor finds.
func (s *site) diagnose() (findings []finding, status int) {
	s.t.Helper()
	stdout, stderr, status := s.doctor("--json")
	if err := json.Unmarshal([]byte(stdout), &findings); err != nil {
		s.t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	for _, f := range findings {
		if (f.Status == "ok") != (f.Fix == "") {
			s.t.Errorf("%s: the fix is %q", f, f.Fix)
		}
	}
	return findings, status
}

// What doctor says of an attachment that is as the pages have it.
var healthy = map[string][]string{
	"postfix-milter": {
		"ok postfix: asks Greyglass as a milter (smtpd_milters: inet:127.0.0.1:",
		"ok postfix: mail goes on when Greyglass is down",
		"ok mail server: Postfix asks Greyglass",
	},
	"postfix-policy": {
		"ok postfix: asks Greyglass as a policy service (smtpd_recipient_restrictions: check_policy_service inet:127.0.0.1:",
		"ok postfix: asks only about mail for this machine's own domains",
		"ok postfix: asks again at DATA, so that bounces are greylisted (smtpd_data_restrictions)",
		"ok postfix: mail goes on when Greyglass is down",
		"ok mail server: Postfix asks Greyglass",
	},
	"sendmail-milter": {
		"ok sendmail: asks Greyglass as a milter (greyglass, unix:",
		"ok sendmail: may open ",
		"ok sendmail: mail goes on when Greyglass is down",
		"ok mail server: Sendmail asks Greyglass",
	},
	"exim-policy": {
		"ok exim: asks Greyglass as a policy service (acl_smtp_rcpt = acl_check_rcpt, by readsocket ",
		"ok exim: may open ",
		"ok exim: asks only about mail that it would not refuse for relaying",
		"ok exim: asks again at DATA, and at the end of what comes by BDAT",
		"ok exim: mail goes on when Greyglass is down",
		"ok mail server: Exim asks Greyglass",
	},
}

func TestDoctorHealthy(t *testing.T) {
	lab.Require(t)
	for _, a := range attachments {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, a, conf{}, lab.Options{})
			findings, status := s.diagnose()
			if status != 0 {
				t.Errorf("status %d", status)
			}
			s.found(findings, append(healthy[a.name],
				"ok configuration: can be used",
				"ok daemon: answers at milter inet:", "ok daemon: answers at milter inet6:", "ok daemon: answers at milter unix:",
				"ok daemon: answers at policy inet:", "ok daemon: answers at policy unix:",
				"ok database: ", "ok clock: "))
			for _, f := range findings {
				if f.Status == "wrong" || f.Status == "warn" && f.Check != "disk" {
					t.Errorf("%s\n\t%s", f, f.Fix)
				}
			}
			for _, l := range s.decisions("") {
				if l.str("reason") != "local" {
					t.Errorf("doctor was judged by %q", l.str("reason"))
				}
			}
			if out, _, _ := s.daemon.run("list", "--json"); out != "[]\n" {
				t.Errorf("doctor is remembered: %s", out)
			}
			if stdout, stderr, _ := s.doctor(); stderr != "" || !strings.Contains(stdout, "ok     daemon         answers at milter unix:") {
				t.Errorf("in words:\n%s%s", stdout, stderr)
			}
		})
	}
}

// found fails the test unless each text begins one of the findings.
func (s *site) found(findings []finding, texts []string) {
	s.t.Helper()
	for _, text := range texts {
		if !anyFinding(findings, text) {
			s.t.Errorf("doctor does not say %q, but\n%v", text, findings)
		}
	}
}

func anyFinding(findings []finding, text string) bool {
	for _, f := range findings {
		if strings.HasPrefix(f.String(), text) {
			return true
		}
	}
	return false
}

// edit replaces what must be there in what is pasted.
func edit(t *testing.T, text *string, old, new string) {
	t.Helper()
	if !strings.Contains(*text, old) {
		t.Fatalf("%q is not in %q", old, *text)
	}
	*text = strings.Replace(*text, old, new, 1)
}

// attached are those of the attachments that a fault can be made on.
type attached []string

func (a attached) has(name string) bool { return slices.Contains(a, name) }

var everywhere = attached{"postfix-milter", "postfix-policy", "sendmail-milter", "exim-policy"}

// faults are made on purpose, in the mail server's configuration before it
// starts, or on the machine after that. All that is not right must be said,
// and nothing else.
var faults = []struct {
	name   string
	on     attached
	change func(t *testing.T, d *daemon, o *lab.Options)
	make   func(s *site)
	says   []string
}{
	{name: "the daemon is down", on: everywhere,
		make: func(s *site) { s.stop() },
		says: []string{"wrong daemon: does not answer at milter inet:", "wrong daemon: does not answer at milter inet6:", "wrong daemon: does not answer at milter unix:", "wrong daemon: does not answer at policy "}},
	{name: "the sockets are closed to the group", on: attached{"sendmail-milter", "exim-policy"},
		make: func(s *site) { s.chmod(0o600, s.milterUnix(), s.policyUnix()) },
		says: []string{"wrong MTA: may not open "}},
	{name: "the folder of the sockets is closed", on: attached{"sendmail-milter", "exim-policy"},
		make: func(s *site) { s.chmod(0o700, s.dir) },
		says: []string{"wrong MTA: may not open "}},
	{name: "a unix socket that Postfix may not open", on: attached{"postfix-milter"},
		change: func(t *testing.T, d *daemon, o *lab.Options) {
			edit(t, &o.Snippet, d.milterInet(), "unix:"+d.milterUnix())
		},
		make: func(s *site) { s.chmod(0o600, s.milterUnix()) },
		says: []string{"wrong postfix: may not open "}},
	{name: "a unix socket outside of the chroot", on: attached{"postfix-milter"},
		change: func(t *testing.T, d *daemon, o *lab.Options) {
			edit(t, &o.Snippet, d.milterInet(), "unix:"+d.milterUnix())
		},
		make: func(s *site) { s.rewrite("master.cf", "n - n - - smtpd", "n - y - - smtpd") },
		says: []string{"wrong postfix: cannot reach "}},
	{name: "not attached", on: everywhere,
		change: func(_ *testing.T, _ *daemon, o *lab.Options) {
			o.Snippet, o.EximACLs, o.EximPredata, o.EximData = "", "", "", ""
		},
		says: []string{"wrong mail server: no mail server asks Greyglass"}},
	{name: "mail is held up when the daemon is down", on: attached{"postfix-milter"},
		change: func(t *testing.T, _ *daemon, o *lab.Options) {
			edit(t, &o.Snippet, "milter_default_action = accept", "milter_default_action = tempfail")
		},
		says: []string{"wrong postfix: mail is held up when Greyglass is down (milter_default_action = tempfail)"}},
	{name: "mail is held up when the daemon is down", on: attached{"postfix-policy"},
		change: func(t *testing.T, _ *daemon, o *lab.Options) {
			edit(t, &o.Snippet, "default_action = DUNNO", "default_action = 451 4.3.5 Server configuration problem")
		},
		says: []string{"wrong postfix: mail is held up when Greyglass is down (smtpd_policy_service_default_action = 451"}},
	{name: "mail is held up when the daemon is down", on: attached{"sendmail-milter"},
		change: func(t *testing.T, _ *daemon, o *lab.Options) { edit(t, &o.Snippet, ", T=", ", F=T, T=") },
		says:   []string{"wrong sendmail: mail is held up or refused when Greyglass is down (F=T)"}},
	{name: "mail is held up when the daemon is down", on: attached{"exim-policy"},
		change: func(t *testing.T, _ *daemon, o *lab.Options) { edit(t, &o.EximACLs, "{}{action=DUNNO}}", "}") },
		says:   []string{"wrong exim: mail is held up when Greyglass is down"}},
	{name: "the question is asked before relaying is refused", on: attached{"postfix-policy"},
		change: func(t *testing.T, d *daemon, o *lab.Options) {
			question := "check_policy_service " + d.policyInet()
			edit(t, &o.Snippet, "reject_unauth_destination,\n    "+question, question+",\n    reject_unauth_destination")
			o.Snippet += "smtpd_relay_restrictions =\n"
		},
		says: []string{"wrong postfix: the question stands before reject_unauth_destination"}},
	{name: "bounces are not asked about", on: attached{"postfix-policy"},
		change: func(t *testing.T, d *daemon, o *lab.Options) {
			before, _, _ := strings.Cut(o.Snippet, "smtpd_data_restrictions =")
			o.Snippet = before + "smtpd_policy_service_default_action = DUNNO\n"
		},
		says: []string{"wrong postfix: mail from the null sender"}},
	{name: "bounces are not asked about", on: attached{"exim-policy"},
		change: func(_ *testing.T, _ *daemon, o *lab.Options) { o.EximPredata, o.EximData = "", "" },
		says:   []string{"wrong exim: mail from the null sender (bounces"}},
	{name: "bounces by BDAT are not asked about", on: attached{"exim-policy"},
		change: func(_ *testing.T, _ *daemon, o *lab.Options) { o.EximData = "" },
		says:   []string{"wrong exim: mail from the null sender that comes by BDAT is never greylisted"}},
	{name: "no fault, BDAT is not offered", on: attached{"exim-policy"},
		change: func(_ *testing.T, _ *daemon, o *lab.Options) {
			o.EximData, o.Extra = "", "chunking_advertise_hosts ="
		}},
	{name: "no fault, asked at the end alone", on: attached{"exim-policy"},
		change: func(_ *testing.T, _ *daemon, o *lab.Options) { o.EximPredata = "" }},
	{name: "the question is behind an accept", on: attached{"exim-policy"},
		change: func(_ *testing.T, _ *daemon, o *lab.Options) { o.Snippet = "  accept\n\n" + o.Snippet },
		says:   []string{"wrong exim: never asks Greyglass about a recipient"}},
	{name: "the question is asked before relaying is refused", on: attached{"exim-policy"},
		change: func(_ *testing.T, _ *daemon, o *lab.Options) { o.EximFirst, o.Snippet = o.Snippet, "" },
		says:   []string{"wrong exim: the question stands before the check against relaying"}},
	{name: "another milter is asked before", on: attached{"postfix-milter"},
		change: func(t *testing.T, d *daemon, o *lab.Options) {
			edit(t, &o.Snippet, d.milterInet(), "inet:127.0.0.1:9, "+d.milterInet())
		},
		says: []string{"warn postfix: asks 1 other milter(s) before Greyglass (inet:127.0.0.1:9)"}},
	{name: "another milter is asked before", on: attached{"sendmail-milter"},
		change: func(_ *testing.T, _ *daemon, o *lab.Options) { o.Milters = []string{"inet:127.0.0.1:9"} },
		says:   []string{"warn sendmail: asks 1 other milter(s) before Greyglass (lab1)"}},
	{name: "own clients are greylisted", on: attached{"postfix-milter", "sendmail-milter", "exim-policy"},
		change: func(_ *testing.T, _ *daemon, o *lab.Options) { o.RelayFrom = []string{"192.0.2.0/24"} },
		says:   []string{"wrong MTA: relays mail of 192.0.2.0/24 ("}},
	{name: "a database was quarantined", on: attached{"exim-policy"},
		make: func(s *site) { s.write("greyglass.db.corrupt-20261122T190505Z", "") },
		says: []string{"wrong database: a database was found corrupt and quarantined as "}},
	{name: "the configuration is broken", on: attached{"postfix-milter"},
		make: func(s *site) { s.configure(conf{greylist: `mode = "off"`, rules: "loopback = 1"}) },
		says: []string{"wrong configuration: ", "warn configuration: nothing else was checked"}},
}

func TestDoctorFindsFaults(t *testing.T) {
	lab.Require(t)
	for _, f := range faults {
		for _, a := range attachments {
			if !f.on.has(a.name) {
				continue
			}
			t.Run(f.name+"/"+a.name, func(t *testing.T) {
				t.Parallel()
				attach := a.attach
				a.attach = func(t *testing.T, d *daemon, o *lab.Options) {
					attach(t, d, o)
					if f.change != nil {
						f.change(t, d, o)
					}
				}
				s := startSite(t, a, conf{}, lab.Options{})
				if f.make != nil {
					f.make(s)
				}
				findings, status := s.diagnose()
				var said []string
				for _, says := range f.says {
					said = append(said, strings.Replace(says, "MTA", string(a.mta), 1))
				}
				s.found(findings, said)
				wrong := 0
				for _, g := range findings {
					if g.Status == "wrong" {
						wrong = 1
					}
					if g.Status != "ok" && g.Check != "disk" && !anyPrefixOf(g.String(), said) {
						t.Errorf("not asked for: %s\n\t%s", g, g.Fix)
					}
				}
				if status != wrong {
					t.Errorf("status %d, want %d", status, wrong)
				}
			})
		}
	}
}

func anyPrefixOf(text string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(text, p) {
			return true
		}
	}
	return false
}

func (s *site) chmod(mode os.FileMode, files ...string) {
	s.t.Helper()
	for _, file := range files {
		if err := os.Chmod(file, mode); err != nil {
			s.t.Fatal(err)
		}
	}
}

// rewrite edits a file of the mail server's configuration in place.
func (s *site) rewrite(name, old, new string) {
	s.t.Helper()
	file := filepath.Join(s.mx.Conf(), name)
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		s.t.Fatalf("%q is not in %s", old, file)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), old, new)), 0o644); err != nil {
		s.t.Fatal(err)
	}
}
