package greylist

import "time"

// Windows are the four times of the greylist, in whole seconds.
type Windows struct {
	TooSoon      int64 // an earlier retry restarts the wait: a spam engine hammering ([ReasonWayTooSoon])
	MinDeferTime int64 // an earlier retry is deferred, and the wait goes on ([ReasonTooSoon])
	MaxDeferTime int64 // a later retry is deferred, and the wait restarts ([ReasonTooLate])
	MaxGrey      int64 // a passed triplet that was not seen for longer is deferred, and waits again ([ReasonGreyTooLong])
}

// DefaultWindows are three minutes, an hour, seven hours and five weeks or so.
var DefaultWindows = Windows{TooSoon: 180, MinDeferTime: 3600, MaxDeferTime: 25000, MaxGrey: 3000000}

// PassesAfter is how long after the first attempt a retry passes, in seconds.
func (w Windows) PassesAfter() int64 { return max(w.TooSoon, w.MinDeferTime) }

// maxRefreshStep bounds [Windows.RefreshStep], in seconds.
const maxRefreshStep = int64(time.Hour / time.Second)

// RefreshStep is how stale, in seconds, the stored time of a passed triplet may
// become before it is written again: an hour or a hundredth of MaxGrey, whichever is
// less. It saves most writes for known triplets, and MaxGrey may end one step early.
func (w Windows) RefreshStep() int64 { return min(maxRefreshStep, w.MaxGrey/100) }

// Cutoffs say which entries expire. Times are Unix seconds.
type Cutoffs struct {
	WaitingBefore int64 // a waiting entry expires if its FirstSeen is less
	PassedBefore  int64 // a passed entry expires if its PassedAt is less
}

// Cutoffs returns what expires at the given time. An entry that is older than its
// window (MaxDeferTime or MaxGrey) gets the same verdict and the same new times from
// [Windows.Decide] as no entry, so expiry never changes a verdict. Entries stay for
// one more window: so the log has the right reason for late retries, and a clock that
// is set back by up to a window still finds its entries.
func (w Windows) Cutoffs(now int64) Cutoffs {
	return Cutoffs{
		WaitingBefore: now - 2*w.MaxDeferTime,
		PassedBefore:  now - 2*w.MaxGrey,
	}
}

// Expired reports whether the entry expires.
func (c Cutoffs) Expired(e Entry) bool {
	if e.Passed() {
		return e.PassedAt < c.PassedBefore
	}
	return e.FirstSeen < c.WaitingBefore
}
