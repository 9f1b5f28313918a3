package sqlite

import (
	"context"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/storetest"
)

// TestCosts: what an update costs, on whatever machine, so that a change that costs more
// is seen at once. One of a triplet in the cache asks SQLite nothing (see
// TestCacheNeedsNoLookup).
func TestCosts(t *testing.T) {
	s := openNew(t)
	s.checkpointer.close()
	if err := put(s, 1, entryPassed(1_000_000))(); err != nil {
		t.Fatal(err)
	}
	known := []greylist.Triplet{storetest.Numbered(1)}
	change := func(remembered []*greylist.Entry) greylist.Decision {
		return greylist.DefaultWindows.Decide(remembered[0], 1_000_001)
	}
	allocations := testing.AllocsPerRun(1000, func() {
		if d, err := s.Update(context.Background(), known, change); err != nil || !d.Keep {
			t.Fatal(d, err)
		}
	})
	if allocations > 2 {
		t.Errorf("a triplet in the cache takes %v allocations, want one or two", allocations)
	}

	next := int64(100)
	allocations = testing.AllocsPerRun(200, func() {
		next++
		if _, err := s.Update(context.Background(), []greylist.Triplet{storetest.Numbered(next)}, change); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 60 {
		t.Errorf("a new triplet takes %v allocations, want at most 60", allocations)
	}

	db := s.writer.current.Load().db
	before, _ := db.index.read()
	var jobs []func() error
	for n := range int64(16) {
		jobs = append(jobs, put(s, 10_000+n, greylist.Entry{FirstSeen: 1}))
	}
	for _, err := range together(t, s, jobs...) {
		if err != nil {
			t.Error(err)
		}
	}
	after, _ := db.index.read()
	if n := after.commits() - before.commits(); n != 1 {
		t.Errorf("16 new triplets take %d commits, want 1", n)
	}
	if n := after.frames() - before.frames(); n > 24 {
		t.Errorf("16 new triplets take %d pages of the log, want at most 24", n)
	}
	t.Logf("16 new triplets: %d pages; a new one: %v allocations", after.frames()-before.frames(), allocations)
}
