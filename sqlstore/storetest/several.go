package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"greyglass/greylist"
)

// testSeveral: an update of several triplets sees all of them, and writes those that
// the decision says.
func testSeveral(t *testing.T, db Database) {
	s := open(t, db)
	old := greylist.Entry{FirstSeen: 100, LastSeen: 100, Deferred: 1}
	put(t, s, triplet(2), old)
	all := []greylist.Triplet{triplet(1), triplet(2), triplet(3)}
	moved := greylist.Entry{FirstSeen: 100, LastSeen: 200, Deferred: 2}
	passed := greylist.Entry{FirstSeen: 1, LastSeen: 2, PassedAt: 2}
	d, err := s.Update(t.Context(), all, func(remembered []*greylist.Entry) greylist.Decision {
		if len(remembered) != 3 || remembered[0] != nil || remembered[1] == nil || *remembered[1] != old || remembered[2] != nil {
			t.Errorf("given %v", remembered)
		}
		return greylist.Decision{Reason: greylist.ReasonTooSoon, Remember: moved, Others: []greylist.Write{{Triplet: 1, Entry: passed}}}
	})
	if err != nil || d.Reason != greylist.ReasonTooSoon || d.Remember != moved || len(d.Others) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	want(t, s, triplet(1), &moved)
	want(t, s, triplet(2), &passed)
	want(t, s, triplet(3), nil)

	_, err = s.Update(t.Context(), all[1:], func([]*greylist.Entry) greylist.Decision {
		return greylist.Decision{Keep: true, Others: []greylist.Write{{Triplet: 1, Entry: old}}}
	})
	if err != nil {
		t.Error(err)
	}
	want(t, s, triplet(2), &passed)
	want(t, s, triplet(3), &old)
}

// testSeveralInOrder: new triplets are listed in the order in which an update names them.
func testSeveralInOrder(t *testing.T, db Database) {
	s := open(t, db)
	var all []greylist.Triplet
	var wanted []int64
	for n := range int64(20) {
		all, wanted = append(all, triplet(int(n))), append(wanted, n+1)
	}
	_, err := s.Update(t.Context(), all, func([]*greylist.Entry) greylist.Decision {
		d := greylist.Decision{Keep: true}
		for i, first := range wanted {
			d.Others = append(d.Others, greylist.Write{Triplet: i, Entry: greylist.Entry{FirstSeen: first}})
		}
		return d
	})
	if got := list(t, s, greylist.Filter{}); err != nil || !slices.Equal(got, wanted) {
		t.Errorf("%v, %v, want %v", got, err, wanted)
	}
}

// testSeveralAtOnce: updates that name the same triplets in different orders wait for
// one another, and lose nothing.
func testSeveralAtOnce(t *testing.T, db Database) {
	const callers, rounds = 8, 20
	s := open(t, db)
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for c := range callers {
		wg.Go(func() {
			for i := range rounds {
				pair := []greylist.Triplet{triplet((c + i) % 3), triplet((c + i + 1) % 3)}
				if (c+i)%2 == 0 {
					pair[0], pair[1] = pair[1], pair[0]
				}
				_, err := s.Update(t.Context(), pair, func(remembered []*greylist.Entry) greylist.Decision {
					d := greylist.Decision{Remember: counted(remembered[0])}
					if len(remembered) > 1 { // else it does not count
						d.Others = []greylist.Write{{Triplet: 1, Entry: counted(remembered[1])}}
					}
					return d
				})
				if err != nil {
					errs[c] = fmt.Errorf("round %d: %w", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	var sum int64
	for n := range 3 {
		if e := get(t, s, triplet(n)); e != nil {
			sum += e.Deferred
		}
	}
	if sum != 2*callers*rounds {
		t.Errorf("counted %d, want %d", sum, 2*callers*rounds)
	}
}

// counted is an entry with one deferral more.
func counted(e *greylist.Entry) greylist.Entry {
	if e == nil {
		return greylist.Entry{FirstSeen: 1, LastSeen: 1, Deferred: 1}
	}
	more := *e
	more.Deferred++
	return more
}
