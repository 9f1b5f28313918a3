package lab

import (
	"path/filepath"
	"strings"
)

// configureExim writes exim.conf (Exim's specification, chapter 6 on).
func configureExim(i *Instance, o Options, w words) error {
	return w.with(words{
		"IF_AUTH":      commentUnless(o.Auth, "# "),
		"IF_RELAY":     commentUnless(o.RelayTo != "", "# "),
		"IF_SWALLOW":   commentUnless(o.RelayTo == "", "# "),
		"RELAY_FROM":   strings.Join(o.RelayFrom, " : "),
		"FIRST":        o.EximFirst,
		"PREDATA":      o.EximPredata,
		"DATA":         o.EximData,
		"ACLS":         o.EximACLs,
		"EXIM_USER":    "Debian-exim",
		"EXIM_PROGRAM": eximProgram(),
	}).fill("exim.conf", i.path("conf", "exim.conf"))
}

func eximProgram() string { return filepath.Join(rootOf(Exim), "usr/sbin/exim4") }

// eximCommand runs the daemon in the foreground, with a queue runner a minute.
func eximCommand(i *Instance) []string {
	return []string{eximProgram(), "-C", i.path("conf", "exim.conf"), "-bdf", "-q1m"}
}
