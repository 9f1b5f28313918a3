package report

import (
	"slices"
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

// slots returns when the parts of a time begin: hours, or days of a zone if it is long. Where
// clocks are changed, a day has 23 or 25 hours.
func slots(since, until int64, zone *time.Location) (begins []int64) {
	if until-since <= hourly+greylist.Hour {
		for at := greylist.HourOf(since); at < until; at += greylist.Hour {
			begins = append(begins, at)
		}
		return begins
	}
	year, month, day := time.Unix(since, 0).In(zone).Date()
	for ; ; day++ {
		at := time.Date(year, month, day, 0, 0, 0, 0, zone).Unix()
		if at >= until {
			return begins
		}
		begins = append(begins, at)
	}
}

// slotOf returns the index of the part that a time is in; -1 if it is before the first.
func slotOf(begins []int64, at int64) int {
	after, _ := slices.BinarySearch(begins, at+1)
	return after - 1
}

// Bars divides the time from since to until into hours, or a long one into days of a zone.
func Bars(h greylist.History, since, until int64, zone *time.Location) []Bar {
	begins := slots(since, until, zone)
	bars := make([]Bar, len(begins))
	for i, begin := range begins {
		bars[i].Since = begin
	}
	at := func(hour int64) *Bar {
		if i := slotOf(begins, hour); i >= 0 && hour >= since && hour < until {
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
