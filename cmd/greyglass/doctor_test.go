package main

import (
	"encoding/json"
	"strings"
	"testing"

	"greyglass/cmd/greyglass/internal/doctor"
	"greyglass/e2e/lab"
)

func TestDoctorMisused(t *testing.T) {
	here("doctor", "now").fails(t, statusUsage, `unexpected argument "now"`, "greyglass doctor --help")
	here("doctor", "--exim-config").fails(t, statusUsage, "flag needs an argument", "greyglass doctor --help")
}

// A broken configuration is a finding like any other.
func TestDoctorFindsTheConfigurationBroken(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"greylist.mode": `"off"`, "listen.policy": `["8897"]`})
	r := s.run("doctor")
	r.fails(t, statusFailed, "not all is well")
	for _, part := range []string{"WRONG  configuration  ", "greylist.mode", "listen.policy", "fix: ", "\n2 things are wrong, with 1 warning.\n"} {
		if !strings.Contains(r.stdout, part) {
			t.Errorf("does not say %q:\n%s", part, r.stdout)
		}
	}
	r = s.run("doctor", "--json")
	r.fails(t, statusFailed, "not all is well")
	var findings []map[string]string
	if err := json.Unmarshal([]byte(r.stdout), &findings); err != nil || len(findings) != 3 {
		t.Fatalf("%v: %s", err, r.stdout)
	}
	for _, f := range findings {
		if len(f) != 4 || f["check"] != "configuration" || f["status"] == "ok" || f["says"] == "" || f["mend"] == "" {
			t.Errorf("got %v", f)
		}
	}
}

func TestDoctorSumsUp(t *testing.T) {
	ok, warn, wrong := doctor.Finding{Status: doctor.OK}, doctor.Finding{Status: doctor.Warn}, doctor.Finding{Status: doctor.Wrong}
	for _, c := range []struct {
		findings []doctor.Finding
		says     string
		wrong    bool
	}{
		{[]doctor.Finding{ok, ok}, "All is well.", false},
		{[]doctor.Finding{ok, warn}, "Nothing is wrong, with 1 warning.", false},
		{[]doctor.Finding{wrong, ok}, "1 thing is wrong.", true},
		{[]doctor.Finding{wrong, wrong, warn, warn}, "2 things are wrong, with 2 warnings.", true},
	} {
		if says, wrong := sumUp(c.findings); says != c.says || wrong != c.wrong {
			t.Errorf("got %q, %v; want %q, %v", says, wrong, c.says, c.wrong)
		}
	}
}

// On a terminal, findings are folded, but no command in them.
func TestDoctorFits(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	for _, fix := range []string{
		"", "run a resolver on this machine; or 'systemctl edit greyglass', write IPAddressAllow=192.0.2.1 below [Service], and 'systemctl restart greyglass'",
		"postconf -e 'smtpd_milters = inet:127.0.0.1:8895, inet:127.0.0.1:11332' && postfix reload",
	} {
		printFinding(&page, doctor.Finding{Check: "mail server", Status: doctor.Warn, Detail: strings.Repeat("it is not as it should be, ", 5) + "so far", Fix: fix}, 80)
	}
	for line := range strings.Lines(page.String()) {
		if n := len(line) - 1; n > 80 && !strings.Contains(line, "postconf -e 'smtpd_milters = inet:127.0.0.1:8895, inet:127.0.0.1:11332' && postfix reload") {
			t.Errorf("a line of %d: %s", n, line)
		}
	}
	for _, command := range []string{"'systemctl edit greyglass'", "'systemctl restart greyglass'"} {
		if !strings.Contains(page.String(), command) {
			t.Errorf("%s is broken in\n%s", command, page.String())
		}
	}
}

// Without root, doctor says what it cannot see, and not that it is wrong.
func TestDoctorWithoutRights(t *testing.T) {
	t.Parallel()
	s := unprivileged(t, conf{"listen.socket_mode": `"0600"`})
	lab.Need(t, s.user != nil, "only root can act for another user")
	owner := s.user
	s.user = nil // the daemon is root's here
	s.serve()
	s.user = owner
	if r := s.run("doctor"); !strings.Contains(r.stdout, "warn   daemon") || !strings.Contains(r.stdout, "fix: run this as root") {
		t.Errorf("says:\n%s", r.stdout)
	}
}
