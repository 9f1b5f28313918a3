package greylist

import "testing"

// TestProving: what is remembered of a client after a triplet of it has passed.
func TestProving(t *testing.T) {
	const now = 10_000_000
	const maxGrey = 3_000_000
	p := Proving{After: 3, MaxGrey: maxGrey}
	entry := func(first, counted, passed, seen int64) *ClientEntry {
		return &ClientEntry{FirstPassed: now - first, CountedAt: now - counted, Passed: passed, LastSeen: now - seen}
	}
	for _, c := range []struct {
		name   string
		e      *ClientEntry
		proven bool         // before the pass
		counts *ClientEntry // nil: nothing is written
	}{
		{"unknown", nil, false, entry(0, 0, 1, 0)},
		{"within the hour", entry(3599, 3599, 1, 3599), false, nil},
		{"after an hour", entry(3600, 3600, 1, 3600), false, entry(3600, 0, 2, 0)},
		{"the last one needed", entry(7200, 3600, 2, 3600), false, entry(7200, 0, 3, 0)},
		{"proven", entry(7200, 3599, 3, 3599), true, nil},
		{"proven, and seen an hour ago", entry(9000, 3601, 3, 3600), true, entry(9000, 0, 4, 0)},
		{"the first pass as old as max_grey", entry(maxGrey, 3600, 2, 3600), false, entry(maxGrey, 0, 3, 0)},
		{"the first pass too old", entry(maxGrey+1, 3600, 2, 3600), false, entry(0, 0, 1, 0)},
		{"proven, and the first pass too old", entry(maxGrey+1, 3600, 3, 3600), true, entry(maxGrey+1, 3600, 3, 0)},
		{"proven, and silent for max_grey", entry(2*maxGrey, maxGrey, 3, maxGrey), true, entry(2*maxGrey, maxGrey, 3, 0)},
		{"proven, and silent for longer", entry(2*maxGrey, maxGrey+1, 3, maxGrey+1), false, entry(0, 0, 1, 0)},
		{"expired", entry(9*maxGrey, 9*maxGrey, 3, 2*maxGrey+1), false, entry(0, 0, 1, 0)},
		{"from the future", entry(-99, -99, 2, -99), false, entry(0, 0, 2, 0)},
		{"counted in the future", entry(7200, -1, 2, 0), false, entry(7200, 0, 2, 0)},
		{"proven in the future", entry(-1e9, -1e9, 3, -1e9), true, entry(0, 0, 3, 0)},
	} {
		if got := p.Proven(c.e, AgeAt(now)); got != c.proven {
			t.Errorf("%s: proven %v, want %v", c.name, got, c.proven)
		}
		if (Proving{MaxGrey: maxGrey}).Proven(c.e, AgeAt(now)) {
			t.Errorf("%s: proven, with zero triplets needed", c.name)
		}
		got, write := p.Count(c.e, now, AgeAt(now))
		if write != (c.counts != nil) || write && got != *c.counts {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, write, c.counts)
		}
	}
}

// TestClientExpiryChangesNothing: with an expired entry and without any, a client is as
// proven, and leaves the same entry.
func TestClientExpiryChangesNothing(t *testing.T) {
	const now = 10_000_000
	w := DefaultWindows
	p := Proving{After: 1, MaxGrey: w.MaxGrey}
	for _, seen := range []int64{w.ClientsBefore(now) - 1, 0} {
		e := &ClientEntry{FirstPassed: seen - 7200, CountedAt: seen - 3600, Passed: 9, LastSeen: seen}
		with, _ := p.Count(e, now, AgeAt(now))
		without, _ := p.Count(nil, now, AgeAt(now))
		if p.Proven(e, AgeAt(now)) || with != without {
			t.Errorf("last seen at %d: %+v with an expired entry, %+v without", seen, with, without)
		}
	}
}

func TestMergeClients(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		a, b, want ClientEntry
	}{
		{"the same", ClientEntry{10, 20, 2, 30}, ClientEntry{10, 20, 2, 30}, ClientEntry{10, 20, 2, 30}},
		{"more triplets, and seen later", ClientEntry{10, 20, 5, 30}, ClientEntry{15, 15, 1, 16}, ClientEntry{10, 20, 5, 30}},
		{"more triplets, but seen earlier", ClientEntry{10, 20, 5, 30}, ClientEntry{25, 40, 2, 50}, ClientEntry{10, 40, 5, 50}},
		{"more triplets, which ended before", ClientEntry{10, 20, 5, 30}, ClientEntry{31, 40, 2, 50}, ClientEntry{31, 40, 2, 50}},
	} {
		for _, pair := range [][2]ClientEntry{{c.a, c.b}, {c.b, c.a}} {
			got := MergeClients(pair[0], pair[1])
			if got != c.want || MergeClients(got, c.a) != got || MergeClients(got, c.b) != got {
				t.Errorf("%s: %+v, want %+v, whatever the order, and how often", c.name, got, c.want)
			}
		}
	}
}
