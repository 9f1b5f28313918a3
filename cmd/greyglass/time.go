package main

import (
	"strings"
	"time"

	"greyglass/cmd/greyglass/internal/show"
)

// timesHelp explains the times that a command prints and takes.
const timesHelp = `On a terminal, times are local; elsewhere, and with --utc or --json, they are UTC. Times
that you give are in the same zone, unless they name another: "2026-11-22 15:00:00 UTC",
or 2026-11-22T15:00:00+01:00.`

// sinceHelp is the value of a flag that takes the beginning of a period.
const sinceHelp = "a `TIME`: 7d, 36h, 2026-11-22, or \"2026-11-22 15:00\""

// zone is that of the times that a command prints and takes: local on a terminal, else, or if
// that is asked for, UTC.
func (p *program) zone(utc bool) *time.Location {
	if utc || terminalWidth(p.stdout) == 0 {
		return time.UTC
	}
	return time.Local
}

// timeInWords is a time of a zone, in the format of the database's views, with the zone's name.
func timeInWords(unix int64, zone *time.Location) string {
	return time.Unix(unix, 0).In(zone).Format(withZone)
}

// withZone is the format of a time with the name of its zone.
const withZone = time.DateTime + " MST"

// parseWithZone reads a time as [timeInWords] writes it, of UTC or of the zone of the place. For
// another name, package time makes up a zone.
func parseWithZone(s string, zone *time.Location) (t time.Time, ok bool) {
	t, err := time.ParseInLocation(withZone, s, zone)
	return t, err == nil && (t.Location() == zone || t.Location() == time.UTC)
}

// timeOrNone is a time as [timeInWords] writes it, "-" for none.
func timeOrNone(unix int64, zone *time.Location) string {
	if unix == 0 {
		return "-"
	}
	return timeInWords(unix, zone)
}

// listTime is a time in the tables of 'list', "-" for none. It names its zone, unless that is
// UTC as other programs get it.
func listTime(unix int64, zone *time.Location) string {
	text := timeOrNone(unix, zone)
	if zone == time.UTC {
		return strings.TrimSuffix(text, " UTC")
	}
	return text
}

// ago is the time from then to now.
func ago(then, now int64) string { return show.Duration(now - then) }
