package main

import (
	"time"

	"greyglass/cmd/greyglass/internal/show"
)

// timeInWords is a time in the format of the database's views, with its zone.
func timeInWords(unix int64) string { return utc(unix) + " UTC" }

// utc is a time in UTC, or "-" for none.
func utc(unix int64) string {
	if unix == 0 {
		return "-"
	}
	return time.Unix(unix, 0).UTC().Format(time.DateTime)
}

// ago is the time from then to now.
func ago(then, now int64) string { return show.Duration(now - then) }
