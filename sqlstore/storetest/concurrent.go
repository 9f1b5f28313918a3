package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"greyglass/greylist"
)

// pair opens the database twice.
func pair(t *testing.T, db Database) []greylist.Store {
	return []greylist.Store{open(t, db), open(t, db)}
}

// testOneFirstSeen: of all who bring an unseen triplet at the same time,
// exactly one brings it first.
func testOneFirstSeen(t *testing.T, db Database) {
	const callers, rounds, now = 16, 20, 1_000_000
	stores := pair(t, db)
	for n := range rounds {
		var first atomic.Int64
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range callers {
			wg.Go(func() {
				<-start
				d, err := attempt(t.Context(), stores[i%2], triplet(n), greylist.DefaultWindows, now)
				switch {
				case err != nil:
					t.Error(err)
				case d.Reason == greylist.ReasonNotSeenBefore:
					first.Add(1)
				case d.Reason != greylist.ReasonWayTooSoon:
					t.Errorf("reason %v", d.Reason)
				}
			})
		}
		close(start)
		wg.Wait()
		if first.Load() != 1 {
			t.Errorf("seen for the first time %d times", first.Load())
		}
		want(t, stores[0], triplet(n), &greylist.Entry{FirstSeen: now, LastSeen: now, Deferred: callers})
	}
}

// testNoLostUpdate: every update of one triplet sees the one before.
func testNoLostUpdate(t *testing.T, db Database) {
	const callers, each = 16, 50
	stores := pair(t, db)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for range each {
				if err := Count(t.Context(), stores[i%2], triplet(1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want(t, stores[0], triplet(1), &greylist.Entry{Deferred: callers * each})
}

// Count adds one to the triplet's Deferred.
func Count(ctx context.Context, s greylist.Memory, tr greylist.Triplet) error {
	return Update(ctx, s, tr, func(remembered *greylist.Entry) (e greylist.Entry, write bool) {
		if remembered != nil {
			e = *remembered
		}
		e.Deferred++
		return e, true
	})
}

// testManyTriplets: what callers do to different triplets stays apart.
func testManyTriplets(t *testing.T, db Database) {
	const callers, each = 16, 40
	stores := pair(t, db)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range each {
				n := i*each + j
				err := Update(t.Context(), stores[i%2], triplet(n), func(remembered *greylist.Entry) (greylist.Entry, bool) {
					return greylist.Entry{FirstSeen: int64(n)}, true
				})
				if err != nil {
					t.Error(err)
				}
				if n%3 == 0 {
					if forgotten, err := stores[i%2].Forget(t.Context(), triplet(n)); !forgotten || err != nil {
						t.Errorf("Forget: %v, %v", forgotten, err)
					}
				}
			}
		})
	}
	wg.Wait()
	for n := range callers * each {
		if n%3 == 0 {
			want(t, stores[0], triplet(n), nil)
		} else {
			want(t, stores[0], triplet(n), &greylist.Entry{FirstSeen: int64(n)})
		}
	}
}

// testContextEndsWhileWaiting: a caller whose context ends gets its error at
// once, whatever the others wait for; its change is not called afterwards.
func testContextEndsWhileWaiting(t *testing.T, db Database) {
	s := open(t, db)
	inChange, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // holds up whatever serves the store
		var once sync.Once
		err := Update(t.Context(), s, triplet(1), func(*greylist.Entry) (greylist.Entry, bool) {
			once.Do(func() { close(inChange) })
			<-release
			return greylist.Entry{FirstSeen: 1}, true
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-inChange
	ctx, cancel := context.WithCancel(t.Context())
	var gone atomic.Bool
	waiting := make(chan error)
	go func() {
		err := Update(ctx, s, triplet(1), func(*greylist.Entry) (greylist.Entry, bool) {
			if gone.Load() {
				t.Error("the change was called after Update had returned")
			}
			return greylist.Entry{FirstSeen: 2}, true
		})
		gone.Store(true)
		waiting <- err
	}()
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("Update: %v, want %v", err, context.Canceled)
	}
	close(release)
	wg.Wait()
	put(t, s, triplet(2), greylist.Entry{FirstSeen: 3})
	want(t, s, triplet(1), &greylist.Entry{FirstSeen: 1})
}

func testClose(t *testing.T, db Database) {
	s := db(t)
	put(t, s, triplet(1), greylist.Entry{FirstSeen: 1})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, greylist.ErrClosed) {
			t.Errorf("%s: %v, want %v", what, err, greylist.ErrClosed)
		}
	}
	ctx := t.Context()
	check("Update", Update(ctx, s, triplet(1), func(*greylist.Entry) (greylist.Entry, bool) {
		return greylist.Entry{FirstSeen: 2}, true
	}))
	check("Ping", s.Ping(ctx))
	_, err := s.Get(ctx, triplet(1))
	check("Get", err)
	_, err = s.Forget(ctx, triplet(1))
	check("Forget", err)
	_, err = s.Stats(ctx)
	check("Stats", err)
	_, _, err = s.Expire(ctx, greylist.Cutoffs{WaitingBefore: 99}, 0)
	check("Expire", err)
	check("Backup", s.Backup(ctx, t.TempDir()+"/backup", nil))
	for _, err := range s.List(ctx, greylist.Filter{}) {
		check("List", err)
	}
	want(t, open(t, db), triplet(1), &greylist.Entry{FirstSeen: 1})
}

// testCloseUnderLoad: every update gets an answer, and that answer is true.
func testCloseUnderLoad(t *testing.T, db Database) {
	const callers = 16
	s := db(t)
	done := make([]int64, callers)
	var total atomic.Int64
	loaded := make(chan struct{})
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for {
				err := Count(t.Context(), s, triplet(i))
				if errors.Is(err, greylist.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				done[i]++
				if total.Add(1) == 10*callers {
					close(loaded)
				}
			}
		})
	}
	<-loaded
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	s = open(t, db)
	for i := range callers {
		if done[i] > 0 {
			want(t, s, triplet(i), &greylist.Entry{Deferred: done[i]})
		}
	}
}
