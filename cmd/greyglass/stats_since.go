package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseSince reads the beginning of a period: a time of UTC, or how long ago it
// is. It returns Unix seconds.
func parseSince(s string, now int64) (int64, error) {
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return notLater(s, t.Unix(), now)
		}
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return notLater(s, now-int64(n)*24*3600, now)
		}
	}
	if d, err := time.ParseDuration(s); err == nil {
		return notLater(s, now-int64(d/time.Second), now)
	}
	return 0, fmt.Errorf("--since takes a time such as 7d or 36h, or a date of UTC such as 2026-11-22 or \"2026-11-22 15:00\", and %q is none", s)
}

func notLater(s string, since, now int64) (int64, error) {
	if since >= now {
		return 0, fmt.Errorf("--since %s is not in the past", s)
	}
	return since, nil
}
