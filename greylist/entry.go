package greylist

// Entry is what is remembered of a [Triplet]. Times are whole Unix seconds.
type Entry struct {
	// FirstSeen is when the triplet's present wait began. It is not touched
	// when the triplet passes, so that the length of its wait stays known.
	FirstSeen int64

	// LastSeen is when the triplet last knocked. For a passed triplet it may
	// lag behind by up to [Windows.RefreshStep], as may the counters.
	LastSeen int64

	// PassedAt is when the triplet was last let through, at most
	// [Windows.RefreshStep] ago; zero while it waits.
	PassedAt int64

	// Deferred and Accepted count the answers since the triplet was first
	// remembered. They are for people to read; no verdict rests on them.
	Deferred, Accepted int64
}

// Passed reports whether the triplet has been let through; otherwise it waits.
func (e Entry) Passed() bool { return e.PassedAt != 0 }

// State is "passed" or "waiting".
func (e Entry) State() string {
	if e.Passed() {
		return "passed"
	}
	return "waiting"
}
