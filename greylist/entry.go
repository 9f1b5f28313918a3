package greylist

import "cmp"

// Entry is what is remembered of a [Triplet]. Times are whole Unix seconds.
type Entry struct {
	// FirstSeen is when the triplet's present wait began. It stays when the triplet
	// passes, so that the length of its wait is known.
	FirstSeen int64

	// FirstAttempt is when the triplet first came, if its wait has begun again since then;
	// else zero. It is for people; no verdict depends on it. See [Entry.Attempted].
	FirstAttempt int64

	// LastSeen is the time of the last attempt. For a passed triplet it may lag by up
	// to [Windows.RefreshStep], as may the counters, but not behind its first acceptance
	// since an administrator passed it.
	LastSeen int64

	// PassedAt is when the triplet was last accepted. It may lag by up to
	// [Windows.RefreshStep]. It is zero while the triplet waits.
	PassedAt int64

	// Deferred and Accepted count the answers since the triplet was first stored.
	// They are for people; no verdict depends on them.
	Deferred, Accepted int64
}

// Passed reports whether the triplet has passed; otherwise it waits.
func (e Entry) Passed() bool { return e.PassedAt != 0 }

// Attempted is when the triplet first came.
func (e Entry) Attempted() int64 { return cmp.Or(e.FirstAttempt, e.FirstSeen) }

// State is "passed" or "waiting".
func (e Entry) State() string {
	if e.Passed() {
		return "passed"
	}
	return "waiting"
}
