package greylist

import "iter"

// Decision is the greylist's answer to one attempt, and what to remember of it.
type Decision struct {
	Verdict Verdict // Accept or Defer
	Reason  Reason

	// Wait is how many seconds must pass until a retry can be let through;
	// zero when the verdict is Accept.
	Wait int64

	// Remember is the triplet's entry from now on; of several triplets handed to
	// [Memory.Update], the first one's.
	Remember Entry

	// Keep says that the remembered entry may stay as it is, because Remember
	// differs from it only by what is allowed to lag (see [Entry]).
	Keep bool

	// Others are rows to write in the same transaction: of the other triplets.
	Others []Write
}

// Write is a row to be written: the entry, from now on, of the triplet with this
// index.
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

// Decide is the greylist: a pure function of the windows, of what is
// remembered of the triplet (nil if nothing is), and of the time.
//
// The comparisons are strict, so that at an age of exactly one of the windows
// that window's condition does not hold. A remembered time that lies in the
// future, because the clock was set back, counts as now and is rewritten to
// now: a wrong clock may cost a sender another wait, but never locks one out.
func (w Windows) Decide(remembered *Entry, now int64) Decision {
	if remembered == nil {
		return w.wait(Entry{}, ReasonNotSeenBefore, now)
	}
	e := *remembered
	e.FirstSeen = min(e.FirstSeen, now)
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

// wait defers and starts the triplet's wait anew.
func (w Windows) wait(e Entry, reason Reason, now int64) Decision {
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
		Wait:     max(w.TooSoon, w.MinDeferTime) - (now - e.FirstSeen),
	}
}

func (w Windows) pass(e Entry, reason Reason, now int64) Decision {
	keep := e.Passed() && e.PassedAt <= now && now-e.PassedAt < w.RefreshStep()
	e.LastSeen, e.PassedAt = now, now
	e.Accepted++
	return Decision{Verdict: Accept, Reason: reason, Remember: e, Keep: keep}
}

// PassNow is the entry of a triplet that is let through by hand, given what is
// remembered of it (nil if nothing is) and the time.
func PassNow(remembered *Entry, now int64) Entry {
	e := Entry{FirstSeen: now, LastSeen: now}
	if remembered != nil {
		e = *remembered
	}
	e.FirstSeen, e.LastSeen, e.PassedAt = min(e.FirstSeen, now), min(e.LastSeen, now), now
	return e
}
