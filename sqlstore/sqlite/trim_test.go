package sqlite

import (
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// TestCount: the count is right after every kind of change.
func TestCount(t *testing.T) {
	s := openNew(t)
	check := func(what string, want int64) {
		t.Helper()
		if got, err := s.Count(t.Context()); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", what, got, err, want)
		}
	}
	fill(t, s, 10)
	check("at first", 10)
	fill(t, s, 15)
	check("five more", 15)
	if known, err := s.Forget(t.Context(), storetest.Numbered(3)); err != nil || !known {
		t.Fatal(known, err)
	}
	check("one forgotten", 14)
	if removed, _, err := s.Expire(t.Context(), greylist.Cutoffs{WaitingBefore: 1 << 40, PassedBefore: 1 << 40}, 0); err != nil || removed != 14 {
		t.Fatal(removed, err)
	}
	check("all expired", 0)
}

// TestCountAfterOthers: the count is right soon after another program has removed triplets.
func TestCountAfterOthers(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	fill(t, s, 10)
	if n, err := s.Count(t.Context()); err != nil || n != 10 {
		t.Fatal(n, err)
	}
	other, err := Open(t.Context(), "sqlite:"+s.path, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if known, err := other.Forget(t.Context(), storetest.Numbered(3)); err != nil || !known {
		t.Fatal(known, err)
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		n, err := s.Count(t.Context())
		if err == nil && n == 9 {
			return
		}
		if err != nil || time.Since(began) > 30*time.Second {
			t.Fatalf("%d triplets, %v", n, err)
		}
	}
}

func TestFlood(t *testing.T) { storetest.Flood(t, openNew(t)) }
