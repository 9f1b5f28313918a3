package greylist

// Merge returns which of two entries of one triplet, from two stores, to keep: the one
// that would be accepted now; of two accepted ones the passed one, then the one that stays
// accepted for longer; of two deferred ones the one whose wait ends first; else the one
// with the later event, else the first.
func (w Windows) Merge(a, b Entry, now int64) Entry {
	da, db := w.Decide(&a, now), w.Decide(&b, now)
	older := int64(-1) // an older FirstSeen is better for a wait that goes on, worse for one that can end
	if da.Verdict == Accept {
		older = 1
	}
	for _, order := range [...][2]int64{
		{accepted(da), accepted(db)},
		{-da.Wait, -db.Wait},
		{passed(a), passed(b)},
		{a.PassedAt, b.PassedAt},
		{older * a.FirstSeen, older * b.FirstSeen},
		{a.Latest(), b.Latest()},
	} {
		if order[0] != order[1] {
			if order[1] > order[0] {
				return b
			}
			return a
		}
	}
	return a
}

func accepted(d Decision) int64 {
	if d.Verdict == Accept {
		return 1
	}
	return 0
}

func passed(e Entry) int64 {
	if e.Passed() {
		return 1
	}
	return 0
}

// Latest returns the latest time in the entry.
func (e Entry) Latest() int64 { return max(e.FirstSeen, e.LastSeen, e.PassedAt) }
