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

// period is a time that is summed up: all hours that begin from since on, and before until.
type period struct {
	title string // "The last 24 hours"
	in    string // the beginning of a sentence: "In the last 24 hours"
	since int64  // Unix seconds
	until int64  // Unix seconds, at most the present
}

// periodsOf returns the periods of --from and --to, or of --since; without any, the last 30
// days and the last day.
func periodsOf(from, to string, now int64, zone *time.Location) ([]period, error) {
	if from == "" && to == "" {
		return []period{
			{"The last 30 days", "In the last 30 days", greylist.HourOf(now - 30*report.Day), now},
			{"The last 24 hours", "In the last 24 hours", greylist.HourOf(now - report.Day), now},
		}, nil
	}
	p := period{until: now}
	if from == "" {
		return nil, errors.New("--to needs --from")
	}
	var err error
	if p.since, err = parseTime("--from", from, now, zone); err != nil {
		return nil, err
	}
	p.since = greylist.HourOf(p.since)
	layout := func(unix int64) string { return time.Unix(unix, 0).In(zone).Format("2006-01-02 15:04") }
	p.in = "Since " + layout(p.since) + " " + nameOf(zone, p.since)
	if to != "" {
		if p.until, err = parseTime("--to", to, now, zone); err != nil {
			return nil, err
		}
		if p.until <= p.since {
			return nil, fmt.Errorf("--to %s is not after --from", to)
		}
		p.in = "From " + layout(p.since) + " to " + layout(p.until) + " " + nameOf(zone, p.until)
	}
	p.title = "History"
	return []period{p}, nil
}

// nameOf is the name of a zone at a time: "CET".
func nameOf(zone *time.Location, unix int64) string {
	name, _ := time.Unix(unix, 0).In(zone).Zone()
	return name
}

// in returns what of a history is of a period.
func (p period) of(h greylist.History) (part greylist.History) {
	for _, a := range h.Answered {
		if a.Hour >= p.since && a.Hour < p.until {
			part.Answered = append(part.Answered, a)
		}
	}
	for _, r := range h.Returned {
		if r.Hour >= p.since && r.Hour < p.until {
			part.Returned = append(part.Returned, r)
		}
	}
	return part
}

// parseSince reads the time of --since, of UTC; see parseTime.
func parseSince(s string, now int64) (int64, error) { return parseTime("--since", s, now, time.UTC) }

// parseTime reads the time of a flag: a time of a zone, or how long ago it is. It returns
// Unix seconds.
func parseTime(flag, s string, now int64, zone *time.Location) (int64, error) {
	notLater := func(unix int64) (int64, error) {
		if unix >= now {
			return 0, fmt.Errorf("%s %s is not in the past", flag, s)
		}
		return unix, nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return notLater(t.Unix())
		}
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
