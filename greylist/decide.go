package greylist

import "iter"

// Decision is the greylist's answer to one attempt, and the rows to write.
type Decision struct {
	Verdict Verdict // Accept or Defer
	Reason  Reason

	// Wait is how many seconds must pass until a retry can be let through;
	// zero when the verdict is Accept.
	Wait int64

	// Remember is the new entry of the triplet; if [Memory.Update] was called with
	// several triplets, of the first.
	Remember Entry

	// Keep says that no write is needed: Remember differs from the stored entry only
	// in values that may lag (see [Entry]).
	Keep bool

	// Others are rows of the other triplets, to be written in the same transaction.
	Others []Write

	// Client is the row of a client, to be written in the same transaction; nil: none.
	Client *ClientWrite

	// Correspondents are to be written in the same transaction; nil: none.
	Correspondents *CorrespondentNotes
}

// WritesNothing reports whether there is nothing to write.
func (d *Decision) WritesNothing() bool {
	return d.Keep && len(d.Others) == 0 && d.Client == nil && d.Correspondents == nil
}

// Write is a row to be written: the new entry of the triplet with this index.
type Write struct {
	Triplet int
	Entry   Entry
}

// Writes yields the rows to be written, by the index of their triplets.
func (d *Decision) Writes() iter.Seq2[int, Entry] {
	return func(yield func(int, Entry) bool) {
		if !d.Keep && !yield(0, d.Remember) {
			return
		}
		for _, w := range d.Others {
			if !yield(w.Triplet, w.Entry) {
				return
			}
		}
	}
}

// Decide is the greylist: a pure function of the windows, the remembered entry
// (nil if the triplet is unknown) and the time.
//
// The comparisons are strict: at an age of exactly a window, its condition does
// not hold. A remembered time in the future, because the clock was set back, counts
// as now and is rewritten to now, so that a wrong clock locks no sender out.
func (w Windows) Decide(remembered *Entry, now int64) Decision {
	if remembered == nil {
		return w.wait(Entry{}, ReasonNotSeenBefore, now)
	}
	e := *remembered
	e.FirstSeen = min(e.FirstSeen, now)
	e.FirstAttempt = min(e.FirstAttempt, e.FirstSeen)
	if e.Passed() {
		if now-e.PassedAt > w.MaxGrey {
			return w.wait(e, ReasonGreyTooLong, now)
		}
		return w.pass(e, ReasonAlreadyGrey, now)
	}
	switch age := now - e.FirstSeen; {
	case age < w.TooSoon:
		return w.wait(e, ReasonWayTooSoon, now)
	case age < w.MinDeferTime:
		return w.deferred(e, ReasonTooSoon, now)
	case age > w.MaxDeferTime:
		return w.wait(e, ReasonTooLate, now)
	default:
		return w.pass(e, ReasonNowGrey, now)
	}
}

// DecideFirst decides by the entries, nil where unknown, of an attempt's triplets: by the
// first that has not expired, or by a later one that has passed and still passes, so that
// nothing waits again because its identity changed. used is the index of the entry that
// counts, -1 if there is none. decide is [Windows.Decide] at a time.
func DecideFirst(remembered []*Entry, decide func(*Entry) Decision) (d Decision, used int) {
	used = -1
	for i, e := range remembered {
		if e == nil {
			continue
		}
		if other := decide(e); used < 0 || d.Reason.expired() && !other.Reason.expired() || other.Reason == ReasonAlreadyGrey {
			d, used = other, i
		}
		if d.Reason == ReasonAlreadyGrey {
			return d, used
		}
	}
	if used < 0 {
		d = decide(nil)
	}
	return d, used
}

// wait defers and restarts the triplet's wait.
func (w Windows) wait(e Entry, reason Reason, now int64) Decision {
	if e.FirstAttempt = e.Attempted(); e.FirstAttempt == now || reason == ReasonGreyTooLong {
		e.FirstAttempt = 0
	}
	e.FirstSeen, e.PassedAt = now, 0
	return w.deferred(e, reason, now)
}

func (w Windows) deferred(e Entry, reason Reason, now int64) Decision {
	e.LastSeen = now
	e.Deferred++
	return Decision{
		Verdict:  Defer,
		Reason:   reason,
		Remember: e,
		Wait:     w.PassesAfter() - (now - e.FirstSeen),
	}
}

func (w Windows) pass(e Entry, reason Reason, now int64) Decision {
	accepted := e.Accepted > 0 && e.LastSeen >= e.PassedAt // since it was last passed by hand
	keep := accepted && e.Passed() && e.PassedAt <= now && now-e.PassedAt < w.RefreshStep()
	e.LastSeen, e.PassedAt = now, now
	e.Accepted++
	return Decision{Verdict: Accept, Reason: reason, Remember: e, Keep: keep}
}

// PassNow returns the entry of a triplet that an administrator passes by hand,
// given the remembered entry (nil if there is none) and the time.
func PassNow(remembered *Entry, now int64) Entry {
	e := Entry{FirstSeen: now, LastSeen: now}
	if remembered != nil {
		e = *remembered
	}
	e.FirstSeen, e.LastSeen, e.PassedAt = min(e.FirstSeen, now), min(e.LastSeen, now), now
	return e
}
