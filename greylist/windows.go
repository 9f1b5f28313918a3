package greylist

import "time"

// Windows are the four times, in whole seconds, that the greylist is made of.
type Windows struct {
	TooSoon      int64 // a retry before this restarts the wait: a spam engine hammering
	MinDeferTime int64 // a retry before this is deferred, and the wait goes on
	MaxDeferTime int64 // a retry after this is a stranger again
	MaxGrey      int64 // a passed triplet that was silent for longer is a stranger again
}

// DefaultWindows are three minutes, an hour, seven hours and five weeks or so.
var DefaultWindows = Windows{TooSoon: 180, MinDeferTime: 3600, MaxDeferTime: 25000, MaxGrey: 3000000}

// maxRefreshStep bounds [Windows.RefreshStep], in seconds.
const maxRefreshStep = int64(time.Hour / time.Second)

// RefreshStep is how stale, in seconds, the remembered time of a passed triplet
// may become before it is written again: an hour or a hundredth of MaxGrey,
// whichever is less. MaxGrey may therefore end up to one step early. It makes
// a known triplet, most of a server's mail, free of writes.
func (w Windows) RefreshStep() int64 { return min(maxRefreshStep, w.MaxGrey/100) }

// Cutoffs say which entries expire. Times are Unix seconds.
type Cutoffs struct {
	WaitingBefore int64 // a waiting entry expires if its FirstSeen is less
	PassedBefore  int64 // a passed entry expires if its PassedAt is less
}

// Cutoffs returns what expires at the given time. [Windows.Decide] gives an
// entry that is older than its window (MaxDeferTime or MaxGrey) the verdict,
// and leaves the times, that no entry would; so expiry never changes a
// verdict. Entries stay for one more of their window, for the sake of the
// reason in the log of those who come late, and so that a clock that is set
// back by no more than a window finds every entry that it asks for.
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
