package memstore

import (
	"fmt"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Database {
		m := newMemory()
		return func(*testing.T) greylist.Store { return &Store{memory: m} }
	})
}

func TestFlood(t *testing.T) { storetest.Flood(t, New()) }

func BenchmarkUpdate(b *testing.B) {
	storetest.Bench(b, func(*testing.B) greylist.Store { return New() })
}

// TestPlacesAreUsedAgain: what was removed takes no room for long, and the order stays.
func TestPlacesAreUsedAgain(t *testing.T) {
	s := New()
	const rounds, each = 50, 500
	for round := range int64(rounds) {
		for n := range int64(each) {
			err := storetest.Update(t.Context(), s, greylist.Triplet{Sender: fmt.Sprint(round, " ", n)}, storetest.Remember(greylist.Entry{FirstSeen: round*each + n}))
			if err != nil {
				t.Fatal(err)
			}
		}
		for cursor := int64(0); ; {
			_, next, err := s.Expire(t.Context(), greylist.Cutoffs{WaitingBefore: round*each + each/2}, cursor)
			if err != nil {
				t.Fatal(err)
			}
			if cursor = next; cursor == 0 {
				break
			}
		}
	}
	if len(s.order) > 2*each+listPage {
		t.Errorf("%d places for %d rows", len(s.order), len(s.byKey))
	}
	last := int64(-1)
	for r, err := range s.List(t.Context(), greylist.Filter{}) {
		if err != nil || r.FirstSeen <= last {
			t.Fatalf("%+v, %v after %d", r, err, last)
		}
		last = r.FirstSeen
	}
	if last != rounds*each-1 || len(s.byKey) != each/2 {
		t.Errorf("the last is %d, of %d", last, len(s.byKey))
	}
}
