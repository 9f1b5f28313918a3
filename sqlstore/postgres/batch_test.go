package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// testPostgresBatch: those that share a transaction are decided about as if each were
// alone, also with one whose data the server refuses.
func testPostgresBatch(t *testing.T, c *cluster) {
	s := openShared(t, c.schema(t))
	if err := storetest.Update(t.Context(), s, storetest.Numbered(1), storetest.Remember(greylist.Entry{FirstSeen: 1000})); err != nil {
		t.Fatal(err)
	}
	odd := storetest.Numbered(2)
	odd.Sender = "\xff@example.com" // which is no UTF-8
	keep := greylist.Entry{FirstSeen: -1}
	tests := []struct {
		triplet  greylist.Triplet
		remember greylist.Entry // keep: nothing
		saw      int64          // FirstSeen of what the change was called with, 0 for nothing
		fails    bool
	}{
		{triplet: storetest.Numbered(1), remember: keep, saw: 1000},
		{triplet: storetest.Numbered(1), remember: greylist.Entry{FirstSeen: 1000, LastSeen: 1}, saw: 1000},
		{triplet: storetest.Numbered(3), remember: greylist.Entry{FirstSeen: 3000}},
		{triplet: odd, remember: greylist.Entry{FirstSeen: 4000}, fails: true},
		{triplet: storetest.Numbered(5), remember: keep},
	}
	held, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	wg.Go(func() { // it holds the reader until all are there, who then share a transaction
		err := storetest.Update(t.Context(), s, storetest.Numbered(6), func(*greylist.Entry) (greylist.Entry, bool) {
			once.Do(func() { close(held) })
			<-free
			return greylist.Entry{FirstSeen: 6000}, true
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	for _, test := range tests {
		wg.Go(func() {
			err := storetest.Update(t.Context(), s, test.triplet, func(remembered *greylist.Entry) (greylist.Entry, bool) {
				first := int64(0)
				if remembered != nil {
					first = remembered.FirstSeen
				}
				if first != test.saw {
					t.Errorf("%v: the change saw %v, want %v", test.triplet, first, test.saw)
				}
				return test.remember, test.remember != keep
			})
			var fault *greylist.Fault
			if errors.As(err, &fault) != test.fails || err != nil && !test.fails {
				t.Errorf("%v: %v", test.triplet, err)
			}
		})
	}
	for began := time.Now(); len(s.reader.Jobs) < len(tests); time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("%d wait", len(s.reader.Jobs))
		}
	}
	close(free)
	wg.Wait()
	for n, first := range map[int64]int64{1: 1000, 3: 3000, 5: 0, 6: 6000} {
		e, err := s.Get(t.Context(), storetest.Numbered(n))
		if err != nil || (e == nil) != (first == 0) || e != nil && e.FirstSeen != first {
			t.Errorf("%d is remembered as %+v, %v", n, e, err)
		}
	}
	closesSoon(t, s)
}

// testPostgresLateBatch: a batch whose time ends between its two round trips leaves no
// transaction open, which the next write would become a part of.
func testPostgresLateBatch(t *testing.T, c *cluster) {
	s := openShared(t, c.schema(t))
	known, after := storetest.Numbered(1), storetest.Numbered(2)
	entry := greylist.Entry{FirstSeen: 100, LastSeen: 100, Deferred: 1}
	if err := storetest.Update(t.Context(), s, known, storetest.Remember(entry)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	late := &update{ctx: t.Context(), triplets: []greylist.Triplet{known}, keys: []backend.Key{backend.KeyOf(known)},
		found: []*greylist.Entry{&entry}, done: make(chan error, 1), change: func([]*greylist.Entry) greylist.Decision {
			cancel()
			return greylist.Decision{Remember: greylist.Entry{FirstSeen: 300}}
		}}
	s.write(ctx, []*update{late})
	if err := <-late.done; err == nil {
		t.Error("a batch whose time has ended is answered as done")
	}
	for began := time.Now(); storetest.Update(t.Context(), s, after, storetest.Remember(entry)) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("the next write fails")
		}
	}
	if e, err := s.Get(t.Context(), after); err != nil || e == nil {
		t.Errorf("what was answered as done is not committed: %v, %v", e, err)
	}
}
