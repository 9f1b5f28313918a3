// Package doctor checks Greyglass on this machine: the configuration, the daemon, the
// mail servers that should ask it, the database, mail that was deferred in vain, the disk,
// DNS, the site's backup MXs and the clock. It changes nothing.
package doctor

import (
	"context"
	"fmt"

	"greyglass/cmd/greyglass/internal/config"
)

// Status is the status of a finding. Its values are part of the JSON output.
type Status string

const (
	OK    Status = "ok"
	Warn  Status = "warn"  // mail is judged correctly, but something should be checked
	Wrong Status = "wrong" // must be fixed
)

// Finding is the result of a check.
type Finding struct {
	Check  string `json:"check"` // a name in the table below
	Status Status `json:"status"`
	Detail string `json:"says"`
	Fix    string `json:"mend"` // empty if and only if the status is OK
}

// Subject is what is checked.
type Subject struct {
	Machine Machine

	// Loaded is the configuration; nil with a LoadError.
	Loaded     *config.Loaded
	LoadError  error
	ConfigFile string

	// The mail servers' configurations; empty: in the usual places, if they are there.
	// One that is given must exist.
	PostfixConfig string // the folder of main.cf and master.cf
	SendmailCF    string
	EximConfig    string

	// Progress reports what takes long, a line at a time.
	Progress func(line string)
}

// checks are the checks in their order. Each has at least one finding.
var checks = []struct {
	name string
	look func(context.Context, *exam)
}{
	{"daemon", checkDaemon},
	{"postfix", checkPostfix},
	{"sendmail", checkSendmail},
	{"exim", checkExim},
	{"mail server", checkAttachment},
	{"dns", checkDNS},
	{"backup mx", checkBackup},
	{"database", checkDatabase},
	{"pools", checkPools},
	{"disk", checkDisk},
	{"clock", checkClock},
}

// Examine runs all checks, and reports each finding at once. It returns an error only if
// the context ends.
func Examine(ctx context.Context, s Subject, report func(Finding)) error {
	v := &exam{Subject: s, report: report, check: "configuration"}
	if !checkConfiguration(v) {
		return nil
	}
	v.config = s.Loaded.Config
	for _, c := range checks {
		v.check = c.name
		c.look(ctx, v)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// exam is one run of the checks. Later checks use the results of earlier ones.
type exam struct {
	Subject
	config *config.Config
	report func(Finding)
	check  string // the present one

	mailServers []string       // that are on this machine
	smtpd       []service      // of Postfix, those that receive mail
	attached    []string       // those of them that ask Greyglass
	unasking    []relayClients // of those that do not
	unread      []string       // those whose configuration could not be read
	readable    bool           // the database is sound, and of this program's version
	newestTime  int64          // the latest time in the database; 0: none
}

func (v *exam) ok(format string, args ...any) {
	v.report(Finding{v.check, OK, fmt.Sprintf(format, args...), ""})
}

func (v *exam) warn(fix, format string, args ...any) {
	v.report(Finding{v.check, Warn, fmt.Sprintf(format, args...), fix})
}

func (v *exam) wrong(fix, format string, args ...any) {
	v.report(Finding{v.check, Wrong, fmt.Sprintf(format, args...), fix})
}
