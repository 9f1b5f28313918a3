// Package doctor looks at the machine that it runs on and says in plain words
// what is right about Greyglass there and what is not: the configuration, the
// daemon, the mail servers that should ask it, the database, the disk and the
// clock. It changes nothing, and nothing of it is remembered.
package doctor

import (
	"context"
	"fmt"

	"greyglass/cmd/greyglass/internal/config"
)

// Status says what a finding means. Its values are part of the JSON output.
type Status string

const (
	OK    Status = "ok"
	Warn  Status = "warn"  // worth a look, but mail is judged as it should be
	Wrong Status = "wrong" // is to be mended
)

// Finding is something that was looked at.
type Finding struct {
	Check  string `json:"check"` // a name of the table below
	Status Status `json:"status"`
	Detail string `json:"says"`
	Fix    string `json:"mend"` // empty if and only if all is right
}

// Subject is what is looked at.
type Subject struct {
	Machine Machine

	// Loaded is the configuration, or nil, and then LoadError says why.
	Loaded     *config.Loaded
	LoadError  error
	ConfigFile string

	// Where the mail servers' configurations are; empty: in the usual places, or
	// nowhere. One that is named must be there.
	PostfixConfig string // the folder of main.cf and master.cf
	SendmailCF    string
	EximConfig    string

	// Progress is told what takes long, a line at a time.
	Progress func(line string)
}

// checks are what is looked at, in this order. A check says at least one thing.
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
	{"database", checkDatabase},
	{"disk", checkDisk},
	{"clock", checkClock},
}

// Examine looks at everything and hands on each finding as soon as it is there.
// Its error is that of the context, if that ends before all is done.
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

// exam is one examination. Later checks rest on what earlier ones have noted.
type exam struct {
	Subject
	config *config.Config
	report func(Finding)
	check  string // whose findings these are

	mailServers []string // that are on this machine
	milters     []string // of smtpd_milters, of Postfix
	attached    []string // those of them that ask Greyglass
	unread      []string // those whose configuration could not be read
	newestTime  int64    // the latest that the database remembers; 0: none
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
