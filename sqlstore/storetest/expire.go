package storetest

import (
	"math/rand/v2"
	"testing"

	"greyglass/greylist"
)

func testStats(t *testing.T, db Database) {
	s := open(t, db)
	check := func(want greylist.Stats) {
		t.Helper()
		got, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want.Bytes = got.Bytes
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	check(greylist.Stats{})
	put(t, s, triplet(1), greylist.Entry{FirstSeen: 50, LastSeen: 60, Deferred: 2})
	check(greylist.Stats{Waiting: 1, Deferred: 2, OldestWaiting: 50})
	put(t, s, triplet(2), greylist.Entry{FirstSeen: 40, LastSeen: 70, Deferred: 5})
	put(t, s, triplet(3), greylist.Entry{FirstSeen: 10, LastSeen: 20, PassedAt: 20, Deferred: 1, Accepted: 7})
	put(t, s, triplet(4), greylist.Entry{FirstSeen: 30, LastSeen: 90, PassedAt: 80, Deferred: 1, Accepted: 9})
	check(greylist.Stats{Waiting: 2, Passed: 2, Deferred: 9, Accepted: 16, OldestWaiting: 40, LatestPassed: 80})
}

// sweep expires all that does.
func sweep(t *testing.T, s greylist.Store, c greylist.Cutoffs) (removed, calls int) {
	t.Helper()
	for cursor := int64(0); ; {
		n, next, err := s.Expire(t.Context(), c, cursor)
		if err != nil {
			t.Fatalf("Expire: %v", err)
		}
		removed += n
		calls++
		if next == 0 {
			return removed, calls
		}
		if next <= cursor {
			t.Fatalf("the cursor goes from %d to %d", cursor, next)
		}
		cursor = next
	}
}

// testExpire: exactly those go that [greylist.Cutoffs.Expired] names.
func testExpire(t *testing.T, db Database) {
	s := open(t, db)
	if removed, calls := sweep(t, s, greylist.Cutoffs{WaitingBefore: 9, PassedBefore: 9}); removed != 0 || calls != 1 {
		t.Errorf("an empty store: %d removed in %d calls", removed, calls)
	}
	c := greylist.Cutoffs{WaitingBefore: 1000, PassedBefore: 500}
	entries := []greylist.Entry{
		{FirstSeen: 999}, {FirstSeen: 1000}, {FirstSeen: 1001}, {FirstSeen: 499}, {},
		{FirstSeen: 1, PassedAt: 499}, {FirstSeen: 1, PassedAt: 500}, {FirstSeen: 1, PassedAt: 501},
		{FirstSeen: 2000, PassedAt: 499}, {FirstSeen: 1, LastSeen: 1, PassedAt: 1000},
	}
	putAll(t, s, entries)
	gone := 0
	for _, e := range entries {
		if c.Expired(e) {
			gone++
		}
	}
	if removed, _ := sweep(t, s, c); removed != gone {
		t.Errorf("%d removed, want %d", removed, gone)
	}
	for n, e := range entries {
		if c.Expired(e) {
			want(t, s, triplet(n), nil)
		} else {
			want(t, s, triplet(n), &e)
		}
	}
	if removed, _ := sweep(t, s, c); removed != 0 {
		t.Errorf("%d removed the second time", removed)
	}
}

// testExpireBatches: a call looks at a small batch only, and the calls
// together at all, also at those behind what others remove meanwhile.
func testExpireBatches(t *testing.T, db Database) {
	const n = 1200
	s := open(t, db)
	entries := make([]greylist.Entry, n)
	for i := range entries {
		entries[i].FirstSeen = int64(i % 3)
	}
	putAll(t, s, entries)
	c := greylist.Cutoffs{WaitingBefore: 1}
	removed, next, err := s.Expire(t.Context(), c, 0)
	if err != nil || next == 0 || removed > n/4 {
		t.Fatalf("the first call: %d removed, cursor %d, %v; want a small batch", removed, next, err)
	}
	rest, calls := sweep(t, s, c)
	if removed+rest != n/3 || calls < 3 {
		t.Errorf("%d removed in %d calls, want %d in several", removed+rest, calls, n/3)
	}
	if got := list(t, s, greylist.Filter{}); len(got) != n-n/3 {
		t.Errorf("%d are left, want %d", len(got), n-n/3)
	}
}

// testExpireVerdicts: whatever expires, the next verdict on it is the same as
// if it had not.
func testExpireVerdicts(t *testing.T, db Database) {
	const n, now = 600, 20_000_000
	w := greylist.DefaultWindows
	s := open(t, db)
	random := rand.New(rand.NewPCG(1, 2))
	entries := make([]greylist.Entry, n)
	for i := range entries {
		e := &entries[i]
		e.FirstSeen = now - random.Int64N(4*w.MaxDeferTime)
		if i%2 == 0 {
			e.PassedAt = now - random.Int64N(4*w.MaxGrey)
			e.FirstSeen = e.PassedAt - 5000
		}
	}
	putAll(t, s, entries)
	if removed, _ := sweep(t, s, w.Cutoffs(now)); removed == 0 || removed == n {
		t.Fatalf("%d of %d removed: that tests little", removed, n)
	}
	for i, e := range entries {
		kept := w.Decide(&e, now)
		d, err := attempt(t.Context(), s, triplet(i), w, now)
		if err != nil {
			t.Fatal(err)
		}
		if d.Verdict != kept.Verdict || d.Wait != kept.Wait || d.Remember.PassedAt != kept.Remember.PassedAt {
			t.Errorf("%+v: %+v, but %+v after expiry", e, kept, d)
		}
	}
}
