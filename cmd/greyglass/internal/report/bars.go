package report

import (
	"time"

	"greyglass/greylist"
)

// Bar is a part of a period. Times are Unix seconds.
type Bar struct {
	Since    int64 `json:"since"`
	Judged   int64 `json:"judged"`
	Deferred int64 `json:"deferred"`
	New      int64 `json:"strangers"` // triplets whose wait began then
	CameBack int64 `json:"came_back"` // of these, passed so far
}

const (
	// Day is the length of a day, in seconds.
	Day = 24 * greylist.Hour

	// hourly is the longest period, in seconds, that has a bar for each hour.
	hourly = 2 * Day
)

// slots returns how long the parts of a time are, and when the first one begins: hours, or
// days of a zone.
func slots(since, until int64, zone *time.Location) (first, step int64) {
	if until-since <= hourly+greylist.Hour {
		return greylist.HourOf(since), greylist.Hour
	}
	_, offset := time.Unix(since, 0).In(zone).Zone()
	return since - (since+int64(offset))%Day, Day
}

// Bars divides the time from since to until into hours, or a long one into days of a zone.
func Bars(h greylist.History, since, until int64, zone *time.Location) []Bar {
	first, step := slots(since, until, zone)
	bars := make([]Bar, max((until-first+step-1)/step, 0))
	for i := range bars {
		bars[i].Since = first + int64(i)*step
	}
	at := func(hour int64) *Bar {
		if i := (hour - first) / step; hour >= since && i < int64(len(bars)) {
			return &bars[i]
		}
		return new(Bar)
	}
	for _, a := range h.Answered {
		bar := at(a.Hour)
		bar.Judged += a.Count
		if a.Verdict == greylist.Defer {
			bar.Deferred += a.Count
		}
		if beginsWait(a) {
			bar.New += a.Count
		}
	}
	for _, r := range h.Returned {
		at(r.Hour).CameBack += r.Count
	}
	return bars
}
