// Package report summarizes the history and the triplets of a store: what greylisting
// did in a period, and which senders wait most.
package report

import (
	"slices"

	"greyglass/greylist"
)

// Period is the summary of a period. Times are Unix seconds.
type Period struct {
	Since int64 `json:"since"`
	Until int64 `json:"until"`

	Judged   int64 `json:"judged"` // attempts
	Accepted int64 `json:"accepted"`
	Deferred int64 `json:"deferred"`
	Denied   int64 `json:"denied"`
	Errors   int64 `json:"errors"`   // of all these, answered by store.on_error
	Observed int64 `json:"observed"` // of the accepted ones, only because of mode "observe"

	// New counts the triplets whose wait began in the period. It is the sum of the next
	// three.
	New       int64 `json:"strangers"`
	CameBack  int64 `json:"came_back"`  // passed
	Never     int64 `json:"never"`      // did not come back in time
	MayReturn int64 `json:"may_return"` // can still pass

	// Median and P90 are the waits, in seconds, of those that came back; nil if there
	// were none.
	Median *int64 `json:"median"`
	P90    *int64 `json:"p90"`

	Waited int64 `json:"waited"` // of the accepted ones, those that had to wait first
}

// beginsWait reports whether an answer began a new wait, see [greylist.Windows.Decide].
// An attempt that is way too soon continues one.
func beginsWait(a greylist.Answered) bool {
	switch a.Reason {
	case greylist.ReasonNotSeenBefore, greylist.ReasonTooLate, greylist.ReasonGreyTooLong:
		return a.Verdict == greylist.Defer
	}
	return false
}

// waits are the reasons for which the greylist defers.
var waits = []greylist.Reason{greylist.ReasonNotSeenBefore, greylist.ReasonTooLate, greylist.ReasonGreyTooLong,
	greylist.ReasonWayTooSoon, greylist.ReasonTooSoon}

// Of sums up the hours of a history from since to until, the present. A triplet can pass
// within maxWait seconds.
func Of(h greylist.History, since, until, maxWait int64) Period {
	p := Period{Since: since, Until: until}
	open := greylist.HourOf(until - maxWait) // triplets since this hour can still pass
	var openNew, openReturned int64
	for _, a := range h.Answered {
		if a.Hour < since {
			continue
		}
		p.Judged += a.Count
		switch a.Verdict {
		case greylist.Accept:
			p.Accepted += a.Count
			if a.Reason == greylist.ReasonNowGrey {
				p.Waited += a.Count
			}
			if slices.Contains(waits, a.Reason) {
				p.Observed += a.Count
			}
		case greylist.Defer:
			p.Deferred += a.Count
		case greylist.Deny:
			p.Denied += a.Count
		}
		if a.Reason == greylist.ReasonError {
			p.Errors += a.Count
		}
		if beginsWait(a) {
			p.New += a.Count
			if a.Hour >= open {
				openNew += a.Count
			}
		}
	}
	delays := make([]int64, len(greylist.Delays))
	for _, r := range h.Returned {
		if r.Hour < since {
			continue
		}
		p.CameBack += r.Count
		delays[greylist.DelayWithin(r.Within)] += r.Count
		if r.Hour >= open {
			openReturned += r.Count
		}
	}
	// A wait that was restarted (way too soon) counts as new in its first hour, and as
	// returned in its last, so that an hour may have more of the latter.
	p.CameBack = min(p.CameBack, p.New)
	p.MayReturn = min(max(openNew-openReturned, 0), p.New-p.CameBack)
	p.Never = p.New - p.CameBack - p.MayReturn
	if p.CameBack > 0 {
		median, p90 := Quantile(delays, 0.5), Quantile(delays, 0.9)
		p.Median, p.P90 = &median, &p90
	}
	return p
}

// Quantile estimates a quantile of the waits, given the counts by [greylist.Delays].
func Quantile(delays []int64, part float64) int64 {
	var all int64
	for _, n := range delays {
		all += n
	}
	wanted := part * float64(all)
	var below, lower int64
	for i, n := range delays {
		upper := greylist.Delays[i]
		if n > 0 && float64(below+n) >= wanted {
			return lower + int64((wanted-float64(below))/float64(n)*float64(upper-lower))
		}
		below += n
		lower = upper
	}
	return 0
}
