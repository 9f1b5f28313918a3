package greylist

// ClientEntry is what is remembered of a client that has passed the greylist. Times are
// whole Unix seconds.
type ClientEntry struct {
	// FirstPassed is when the first triplet that counts passed, CountedAt when the last
	// one did, and Passed is how many count.
	FirstPassed, CountedAt, Passed int64

	// LastSeen is when mail of the client was last accepted because it is proven, or a
	// triplet of it passed. It may lag by up to [Windows.RefreshStep].
	LastSeen int64
}

// ClientRecord is a client with its entry.
type ClientRecord struct {
	Client string // as in [Triplet]
	ClientEntry
}

// ClientWrite is a row of a client to be written. If the stored entry is not Before (nil:
// there is none) any more, nothing is written: another daemon has just counted.
type ClientWrite struct {
	Client string
	Before *ClientEntry
	After  ClientEntry
}

// Proving says which clients are proven: those of which so many different triplets have
// passed the greylist within MaxGrey, and which go on sending. At most one triplet an hour
// counts, so that one burst of mail proves nothing.
//
// Its methods are pure functions of an entry, the time, and the age of a remembered time,
// which is zero for one in the future: a clock that is set back proves no client, and
// locks none out.
type Proving struct {
	After   int64 // so many triplets; zero: no client is ever proven
	MaxGrey int64 // in seconds
}

// Age is how many seconds ago a time was; zero if it is in the future.
type Age func(time int64) int64

// AgeAt returns the ages at a time.
func AgeAt(now int64) Age { return func(time int64) int64 { return max(now-time, 0) } }

// Proven reports whether a client with this entry, which may be nil, is proven.
func (p Proving) Proven(e *ClientEntry, age Age) bool {
	return p.After > 0 && e != nil && e.Passed >= p.After && age(e.LastSeen) <= p.MaxGrey
}

// Count returns the entry of a client of which a triplet passes the greylist, and whether
// it must be written. The count begins again with this triplet if it has not proven the
// client within MaxGrey, or the client has sent nothing for longer than that.
//
// No triplet counts twice: it waits again only after MaxGrey without mail, and then its
// earlier pass does not count any more.
func (p Proving) Count(e *ClientEntry, now int64, age Age) (after ClientEntry, write bool) {
	if e == nil || age(e.LastSeen) > p.MaxGrey || e.Passed < p.After && age(e.FirstPassed) > p.MaxGrey {
		return ClientEntry{FirstPassed: now, CountedAt: now, Passed: 1, LastSeen: now}, true
	}
	after, write = p.Refresh(*e, now, age)
	if age(e.CountedAt) >= Hour && age(e.FirstPassed) <= p.MaxGrey {
		after.CountedAt = now
		after.Passed++
		write = true
	}
	return after, write
}

// Refresh returns the entry of a client that sends mail, and whether it must be written:
// as for passed triplets, LastSeen is written in steps. Times in the future become now.
func (p Proving) Refresh(e ClientEntry, now int64, age Age) (after ClientEntry, write bool) {
	write = age(e.LastSeen) >= Windows{MaxGrey: p.MaxGrey}.RefreshStep() || max(e.FirstPassed, e.CountedAt, e.LastSeen) > now
	return ClientEntry{min(e.FirstPassed, now), min(e.CountedAt, now), e.Passed, now}, write
}

// ClientsBefore returns the time before which a client must have sent its last mail to
// expire. As [Windows.Cutoffs], it keeps entries for one more MaxGrey, so that expiry never
// changes a verdict.
func (w Windows) ClientsBefore(now int64) int64 { return now - 2*w.MaxGrey }

// MergeClients returns the entry of a client of which two stores have one. The one that
// has more triplets counts, and goes on as far as the other, unless it had ended before the
// other began.
func MergeClients(a, b ClientEntry) ClientEntry {
	if b.Passed > a.Passed {
		a, b = b, a
	}
	if a.LastSeen < b.FirstPassed {
		return b
	}
	a.CountedAt, a.LastSeen = max(a.CountedAt, b.CountedAt), max(a.LastSeen, b.LastSeen)
	return a
}
