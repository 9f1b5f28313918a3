// Package report makes of what the store has counted and remembers what an
// administrator wants to know: what greylisting did in a period, and to whom.
package report

import (
	"slices"

	"greyglass/greylist"
)

// Period is what happened from one time to another. Times are Unix seconds.
type Period struct {
	Since int64 `json:"since"`
	Until int64 `json:"until"`

	Judged   int64 `json:"judged"` // recipients, each time that they were asked about
	Accepted int64 `json:"accepted"`
	Deferred int64 `json:"deferred"`
	Denied   int64 `json:"denied"`
	Errors   int64 `json:"errors"`   // of all these, answered by store.on_error
	Observed int64 `json:"observed"` // of those accepted: those that mode "observe" alone has let in

	// Strangers are those deferred whose wait began with that; retries, in vain,
	// are not among them. Of each of them one of the next three is true.
	Strangers int64 `json:"strangers"`
	CameBack  int64 `json:"came_back"`  // and were let through
	Never     int64 `json:"never"`      // not before their time was over
	MayReturn int64 `json:"may_return"` // their time is not over

	// Median and P90 are how long half, and nine of ten, of those who came back
	// had waited at most, in seconds; zero if there were none.
	Median int64 `json:"median"`
	P90    int64 `json:"p90"`

	Waited int64 `json:"waited"` // of those accepted, those that had to wait first
}

// WaitedShare is which part of the mail that was accepted had to wait first.
func (p Period) WaitedShare() float64 {
	if p.Accepted == 0 {
		return 0
	}
	return float64(p.Waited) / float64(p.Accepted)
}

// beginsWait reports whether an answer made a stranger of somebody, see
// [greylist.Windows.Decide]. Whoever comes way too soon goes on waiting.
func beginsWait(a greylist.Answered) bool {
	switch a.Reason {
	case greylist.ReasonNotSeenBefore, greylist.ReasonTooLate, greylist.ReasonGreyTooLong:
		return a.Verdict == greylist.Defer
	}
	return false
}

// waits are the reasons for which the greylist defers, or would.
var waits = []greylist.Reason{greylist.ReasonNotSeenBefore, greylist.ReasonTooLate, greylist.ReasonGreyTooLong,
	greylist.ReasonWayTooSoon, greylist.ReasonTooSoon}

// Of sums up the hours of a history from since to until, the present. Whose
// wait began less than patience seconds ago may still come back.
func Of(h greylist.History, since, until, patience int64) Period {
	p := Period{Since: since, Until: until}
	open := greylist.HourOf(until - patience) // from this hour on
	var openStrangers, openReturned int64
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
			p.Strangers += a.Count
			if a.Hour >= open {
				openStrangers += a.Count
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
	// Whose wait began anew in a later hour, by coming way too soon, counts as a
	// stranger of the first hour, so that of one hour more can return than began.
	p.CameBack = min(p.CameBack, p.Strangers)
	p.MayReturn = min(max(openStrangers-openReturned, 0), p.Strangers-p.CameBack)
	p.Never = p.Strangers - p.CameBack - p.MayReturn
	p.Median, p.P90 = quantile(delays, 0.5), quantile(delays, 0.9)
	return p
}

// quantile estimates how long a part of those who came back had waited at most,
// given how many did by [greylist.Delays]: within a step, evenly spread.
func quantile(delays []int64, part float64) int64 {
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
