package greylist

import "cmp"

// Merge returns which of two entries of one triplet, from two stores, to keep: the one
// that would be accepted now; of two accepted ones the passed one, then the one that stays
// accepted for longer; of two deferred ones the one whose wait ends first; else the one
// with the later event, else the first.
func (w Windows) Merge(a, b Entry, now int64) Entry {
	da, db := w.Decide(&a, now), w.Decide(&b, now)
	if da.Verdict != db.Verdict {
		if da.Verdict == Accept {
			return a
		}
		return b
	}
	older := -1 // an older FirstSeen is better for a wait that goes on, worse for one that can end
	if da.Verdict == Accept {
		older = 1
	}
	if cmp.Or(
		cmp.Compare(db.Wait, da.Wait),
		cmp.Compare(a.PassedAt, b.PassedAt), // zero if it has not passed
		older*cmp.Compare(a.FirstSeen, b.FirstSeen),
		cmp.Compare(a.Latest(), b.Latest()),
	) < 0 {
		return b
	}
	return a
}

// Latest returns the latest time in the entry.
func (e Entry) Latest() int64 { return max(e.FirstSeen, e.LastSeen, e.PassedAt) }
