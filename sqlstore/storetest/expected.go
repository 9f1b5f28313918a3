package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"greyglass/greylist"
)

// wantExpected checks all expectations.
func wantExpected(t *testing.T, s greylist.Store, want ...greylist.Expectation) {
	t.Helper()
	got, err := s.Expected(t.Context())
	if err != nil {
		t.Fatalf("Expected: %v", err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("expected are\n%+v, want\n%+v", got, want)
	}
}

func expect(t *testing.T, s greylist.Store, all ...greylist.Expectation) {
	t.Helper()
	for _, e := range all {
		if err := s.Expect(t.Context(), e); err != nil {
			t.Fatalf("Expect(%+v): %v", e, err)
		}
	}
}

// use uses an expectation, which must succeed or not.
func use(t *testing.T, s greylist.Store, e greylist.Expectation, now int64, want bool) {
	t.Helper()
	if used, err := s.UseExpected(t.Context(), e, now); used != want || err != nil {
		t.Errorf("UseExpected(%+v) at %d: %v, %v; want %v", e, now, used, err, want)
	}
}

// testExpected: expectations are added, replaced, used once, cancelled, and expire.
func testExpected(t *testing.T, db Database) {
	s := open(t, db)
	wantExpected(t, s)
	anyone := greylist.Expectation{Recipient: "bob@example.org", Sender: "*", Since: 100, Until: 200}
	once := greylist.Expectation{Recipient: "bob@example.org", Sender: "@*.名.example", Since: 100, Until: 1 << 40, Once: true}
	carl := greylist.Expectation{Recipient: "Carl's@example.org", Sender: "<>", Since: 100, Until: 300, Once: true}
	expect(t, s, once, anyone, carl)
	wantExpected(t, s, carl, anyone, once)

	use(t, s, anyone, 150, false) // it holds for all mail
	use(t, s, greylist.Expectation{Recipient: "bob@example.org", Sender: "<>"}, 150, false)
	use(t, s, carl, 300, false) // it has ended
	use(t, s, once, 150, true)
	use(t, s, once, 150, false)
	once.UsedAt = 150
	wantExpected(t, s, carl, anyone, once)

	once.UsedAt, once.Since = 0, 160
	anyone.Since, anyone.Until, anyone.Once = 160, 400, true
	expect(t, s, once, anyone) // which are new ones
	wantExpected(t, s, carl, anyone, once)
	use(t, s, once, 170, true)
	use(t, s, anyone, 170, true)
	anyone.UsedAt, once.UsedAt = 170, 170

	if known, err := s.CancelExpected(t.Context(), once.Recipient, once.Sender); !known || err != nil {
		t.Errorf("CancelExpected: %v, %v", known, err)
	}
	if known, err := s.CancelExpected(t.Context(), once.Recipient, once.Sender); known || err != nil {
		t.Errorf("CancelExpected again: %v, %v", known, err)
	}
	wantExpected(t, s, carl, anyone)
	if n, err := s.ExpireExpected(t.Context(), 299); n != 0 || err != nil {
		t.Errorf("ExpireExpected: %d, %v", n, err)
	}
	if n, err := s.ExpireExpected(t.Context(), 300); n != 1 || err != nil {
		t.Errorf("ExpireExpected: %d, %v", n, err)
	}
	wantExpected(t, s, anyone)
}

// testExpectedBound: there are [greylist.MaxExpected] at most, without those that have ended.
func testExpectedBound(t *testing.T, db Database) {
	s := open(t, db)
	numbered := func(n int) greylist.Expectation {
		return greylist.Expectation{Recipient: fmt.Sprintf("%04d@example.org", n), Sender: "*", Since: 1, Until: 1000 + int64(n)}
	}
	var all []greylist.Expectation
	for n := range greylist.MaxExpected {
		all = append(all, numbered(n))
	}
	var wg sync.WaitGroup
	for part := range slices.Chunk(all, 100) {
		wg.Go(func() { expect(t, s, part...) })
	}
	wg.Wait()
	more := numbered(greylist.MaxExpected)
	if err := s.Expect(t.Context(), more); !errors.Is(err, greylist.ErrManyExpected) {
		t.Errorf("one more: %v", err)
	}
	expect(t, s, numbered(7)) // which is there
	wantExpected(t, s, all...)
	more.Since = 1001 // when two have ended
	expect(t, s, more)
	wantExpected(t, s, append(all[2:], more)...)
}

// testExpectedOnceAtOnce: of several daemons that use one expectation at the same time, one
// does.
func testExpectedOnceAtOnce(t *testing.T, db Database) {
	const callers, rounds = 8, 10
	stores := pair(t, db)
	for round := range rounds {
		e := greylist.Expectation{Recipient: "bob@example.org", Sender: "*", Since: int64(round), Until: 1000, Once: true}
		expect(t, stores[0], e)
		var used atomic.Int64
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				ok, err := stores[i%2].UseExpected(t.Context(), e, 500)
				if err != nil {
					t.Error(err)
				}
				if ok {
					used.Add(1)
				}
			})
		}
		wg.Wait()
		if used.Load() != 1 {
			t.Errorf("round %d: used %d times", round, used.Load())
		}
	}
}

// testExpectedEnded: nothing is done for a caller who has gone, or in a closed store.
func testExpectedEnded(t *testing.T, db Database) {
	callsEnd(t, db(t), func(ctx context.Context, s greylist.Store) []error {
		e := greylist.Expectation{Recipient: "bob@example.org", Sender: "*", Since: 1, Until: 1000, Once: true}
		_, err := s.Expected(ctx)
		_, err2 := s.UseExpected(ctx, e, 2)
		err3 := s.Expect(ctx, e)
		_, err4 := s.CancelExpected(ctx, "a", "*")
		_, err5 := s.ExpireExpected(ctx, 2)
		return []error{err, err2, err3, err4, err5}
	})
}
