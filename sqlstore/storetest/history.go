package storetest

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"greyglass/greylist"
)

func record(t *testing.T, s greylist.Store, h greylist.History) {
	t.Helper()
	if err := s.Record(t.Context(), h); err != nil {
		t.Fatalf("Record: %v", err)
	}
}

// wantHistory checks the counts from an hour on.
func wantHistory(t *testing.T, s greylist.Store, since int64, want greylist.History) {
	t.Helper()
	got, err := s.History(t.Context(), since)
	if err != nil {
		t.Fatalf("History: %v", err)
	}
	if !(got.Empty() && want.Empty()) && !reflect.DeepEqual(got, want) {
		t.Errorf("history since %d:\n got %+v\nwant %+v", since, got, want)
	}
}

// testHistory: what was counted comes back by the hour, in order, and whole.
func testHistory(t *testing.T, db Database) {
	s := open(t, db)
	wantHistory(t, s, 0, greylist.History{})
	record(t, s, greylist.History{})
	wantHistory(t, s, 0, greylist.History{})
	early := greylist.Answered{Hour: 3600, Via: "milter", Verdict: greylist.Accept, Reason: greylist.ReasonLocal, Count: 1 << 40}
	others := []greylist.Answered{
		{Hour: 7200, Via: "Z", Verdict: greylist.Defer, Reason: greylist.ReasonTooSoon, Count: 2}, // in no language's order, but in that of bytes
		{Hour: 7200, Via: "milter", Verdict: greylist.Accept, Reason: greylist.ReasonTooSoon, Count: 3},
		{Hour: 7200, Via: "milter", Verdict: greylist.Defer, Reason: greylist.ReasonBlocked, Count: 4},
		{Hour: 7200, Via: "milter", Verdict: greylist.Defer, Reason: greylist.ReasonTooSoon, Count: 5},
		{Hour: 7200, Via: "policy", Verdict: greylist.Accept, Reason: greylist.ReasonLocal, Count: 6},
	}
	returned := []greylist.Returned{{Hour: 3600, Within: 3600, Count: 7}, {Hour: 3600, Within: 4_000_000_000, Count: 8}, {Hour: 7200, Within: 60, Count: 9}}
	record(t, s, greylist.History{
		Answered: []greylist.Answered{others[3], others[0], others[4], early, others[2], others[1]},
		Returned: []greylist.Returned{returned[2], returned[1], returned[0]},
	})
	wantHistory(t, s, 0, greylist.History{Answered: append([]greylist.Answered{early}, others...), Returned: returned})
	wantHistory(t, s, 3601, greylist.History{Answered: others, Returned: returned[2:]})
	wantHistory(t, s, 7200, greylist.History{Answered: others, Returned: returned[2:]})
	wantHistory(t, s, 7201, greylist.History{})

	// When an entry was last used stays.
	used := []greylist.Used{{List: "known-senders", Entry: `/^mx[0-9]\.例$/`, At: 5000}, {List: "known-senders", Entry: "a.example", At: 4000}, {List: "other", Entry: "a.example", At: 1 << 40}}
	for _, at := range []int64{4000, 3000} { // the latest counts
		used[1].At = at
		record(t, s, greylist.History{Used: []greylist.Used{used[2], used[1], used[0]}})
	}
	used[1].At = 4000
	wantHistory(t, s, 7201, greylist.History{Used: used})
	if _, err := s.ExpireHistory(t.Context(), 1<<41); err != nil {
		t.Fatal(err)
	}
	wantHistory(t, s, 1<<41, greylist.History{Used: used})

	// It has nothing to do with the triplets.
	if stats, err := s.Stats(t.Context()); err != nil || stats.Waiting+stats.Passed != 0 {
		t.Errorf("%+v, %v", stats, err)
	}
}

// testHistoryAddsUp: of all that count the same, no counts are lost, and
// what they do at the same time does not stop them.
func testHistoryAddsUp(t *testing.T, db Database) {
	const each, kinds = 20, 12
	stores := pair(t, db)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range each {
				var h greylist.History
				for k := range kinds {
					if i%2 == 1 {
						k = kinds - 1 - k // in another order than the other half
					}
					h.Answered = append(h.Answered, greylist.Answered{Hour: 3600, Via: "milter", Verdict: greylist.Defer, Reason: greylist.Reason(fmt.Sprintf("r%02d", k)), Count: 1})
					h.Returned = append(h.Returned, greylist.Returned{Hour: 3600, Within: int64(k), Count: 2})
				}
				h.Answered = append(h.Answered, h.Answered[0]) // twice in one
				if err := stores[i%2].Record(t.Context(), h); err != nil {
					t.Errorf("Record: %v", err)
				}
			}
		})
	}
	wg.Wait()
	var want greylist.History
	for k := range kinds {
		count := int64(4 * each)
		if k == 0 || k == kinds-1 {
			count += 2 * each
		}
		want.Answered = append(want.Answered, greylist.Answered{Hour: 3600, Via: "milter", Verdict: greylist.Defer, Reason: greylist.Reason(fmt.Sprintf("r%02d", k)), Count: count})
		want.Returned = append(want.Returned, greylist.Returned{Hour: 3600, Within: int64(k), Count: 8 * each})
	}
	for _, s := range stores {
		wantHistory(t, s, 0, want)
	}
}

// testHistoryBatches: a batch that is sent again, because its outcome was unknown, counts once.
func testHistoryBatches(t *testing.T, db Database) {
	s := open(t, db)
	for i, c := range []struct {
		batch greylist.Batch
		want  int64
	}{
		{greylist.Batch{Daemon: "one", Number: 1}, 1},
		{greylist.Batch{Daemon: "one", Number: 1}, 1},
		{greylist.Batch{Daemon: "one", Number: 2}, 2},
		{greylist.Batch{Daemon: "one", Number: 1}, 2},
		{greylist.Batch{Daemon: "two", Number: 1}, 3},
		{greylist.Batch{}, 4},
		{greylist.Batch{}, 5},
	} {
		record(t, s, greylist.History{Batch: c.batch, Returned: []greylist.Returned{{Hour: 3600, Within: 300, Count: 1}}})
		got, err := s.History(t.Context(), 0)
		if err != nil || len(got.Returned) != 1 || got.Returned[0].Count != c.want {
			t.Errorf("after batch %d (%v): %+v, %v; want %d", i, c.batch, got, err, c.want)
		}
	}
}

// testHistoryAllOrNothing: what could not be added is not there in part, so
// that it can be added again.
func testHistoryAllOrNothing(t *testing.T, db Database) {
	s := open(t, db)
	some := greylist.History{Answered: []greylist.Answered{{Hour: 3600, Via: "milter", Verdict: greylist.Defer, Reason: greylist.ReasonTooSoon, Count: 1}}}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := s.Record(ended, some); err == nil {
		t.Error("recorded for a caller who has gone")
	}
	if _, err := s.History(ended, 0); err == nil {
		t.Error("read for a caller who has gone")
	}
	if _, err := s.ExpireHistory(ended, 9999); err == nil {
		t.Error("expired for a caller who has gone")
	}
	wantHistory(t, s, 0, greylist.History{})
	record(t, s, some)
	wantHistory(t, s, 0, some)
}

// testHistoryExpires: the hours before a time go, a few at a call.
func testHistoryExpires(t *testing.T, db Database) {
	s := open(t, db)
	if n, err := s.ExpireHistory(t.Context(), 1<<40); n != 0 || err != nil {
		t.Errorf("an empty history: %d, %v", n, err)
	}
	const days = 30
	var h greylist.History
	for hour := int64(0); hour < days*24*3600; hour += 3600 {
		h.Answered = append(h.Answered, greylist.Answered{Hour: hour, Via: "milter", Verdict: greylist.Defer, Reason: greylist.ReasonTooSoon, Count: 1})
		if hour >= 20*24*3600 {
			h.Returned = append(h.Returned, greylist.Returned{Hour: hour, Within: 3900, Count: 1})
		}
	}
	record(t, s, h)
	const before = 25*24*3600 - 1 // within the last hour that goes
	removed, most, calls := 0, 0, 0
	for {
		n, err := s.ExpireHistory(t.Context(), before)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		removed, most, calls = removed+n, max(most, n), calls+1
	}
	if removed != 30*24 || calls < 10 || most > removed/10 {
		t.Errorf("%d removed in %d calls, of which one removed %d; want %d in several", removed, calls, most, 30*24)
	}
	wantHistory(t, s, 0, greylist.History{Answered: h.Answered[25*24:], Returned: h.Returned[5*24:]})
}
