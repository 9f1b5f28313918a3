package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"greyglass/cmd/greyglass/internal/report"
	"greyglass/greylist"
)

// period is a time that is summed up: whole hours.
type period struct {
	title string // "The last 24 hours (since 2026-11-21 12:00 UTC)"
	in    string // the beginning of a sentence: "In the last 24 hours"
	report.Time
	until int64 // at most the present
}

// periodsOf returns the periods of --from and --to; without any, the last 30 days and the
// last day. What is given is rounded to whole hours, so that the period has all of it.
func periodsOf(from, to string, now int64, zone *time.Location) ([]period, error) {
	layout := func(unix int64) string { return time.Unix(unix, 0).In(zone).Format("2006-01-02 15:04") }
	named := func(unix int64) string { return layout(unix) + " " + nameOf(zone, unix) }
	if from == "" && to == "" {
		last := func(what string, seconds int64) period {
			since := greylist.HourOf(now - seconds)
			return period{"The last " + what + " (since " + named(since) + ")", "In the last " + what, report.Since(since), now}
		}
		return []period{last("30 days", 30*report.Day), last("24 hours", report.Day)}, nil
	}
	if from == "" {
		return nil, errors.New("--to needs --from")
	}
	since, err := parseTime("--from", from, now, zone)
	if err != nil {
		return nil, err
	}
	p := period{Time: report.Since(greylist.HourOf(since)), until: now}
	p.in = "Since " + named(p.Since)
	rounded := p.Since != since
	if to != "" {
		until, err := parseTime("--to", to, now, zone)
		if err != nil {
			return nil, err
		}
		if until <= since {
			return nil, fmt.Errorf("--to %s is not after --from", to)
		}
		p.Until = greylist.HourOf(until + greylist.Hour - 1)
		p.until = min(p.Until, now)
		p.in = "From " + layout(p.Since) + " to " + named(p.Until)
		rounded = rounded || p.Until != until
	}
	if p.title = p.in; rounded {
		p.in += " (rounded to whole hours of UTC)"
	}
	return []period{p}, nil
}

// nameOf is the name of a zone at a time: "CET".
func nameOf(zone *time.Location, unix int64) string {
	name, _ := time.Unix(unix, 0).In(zone).Zone()
	return name
}

// of returns what of a history is of a period.
func (p period) of(h greylist.History) (part greylist.History) {
	for _, a := range h.Answered {
		if a.Hour >= p.Since && a.Hour < p.until {
			part.Answered = append(part.Answered, a)
		}
	}
	for _, r := range h.Returned {
		if r.Hour >= p.Since && r.Hour < p.until {
			part.Returned = append(part.Returned, r)
		}
	}
	return part
}

// parseSince reads the time of --since; see parseTime.
func parseSince(s string, now int64, zone *time.Location) (int64, error) {
	return parseTime("--since", s, now, zone)
}

// parseTime reads the time of a flag: a time of a zone, or how long ago it is. It returns
// Unix seconds.
func parseTime(flag, s string, now int64, zone *time.Location) (int64, error) {
	notLater := func(unix int64) (int64, error) {
		if unix >= now {
			return 0, fmt.Errorf("%s %s is not in the past", flag, s)
		}
		return max(unix, 1), nil // journalctl takes no time before 1970, and zero stands for none
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return notLater(t.Unix())
		}
	}
	if t, ok := parseWithZone(s, zone); ok {
		return notLater(t.Unix())
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return notLater(now - int64(n)*24*3600)
		}
	}
	if d, err := time.ParseDuration(s); err == nil {
		return notLater(now - int64(d/time.Second))
	}
	return 0, fmt.Errorf("%s takes a time such as 7d or 36h, or a date of %s such as 2026-11-22 or \"2026-11-22 15:00\", and %q is none", flag, nameOf(zone, now), s)
}
