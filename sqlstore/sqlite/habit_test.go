package sqlite

import (
	"context"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/storetest"
)

// TestKnownGoByNobody: where updates mostly write nothing, they are done while
// the writer is busy; and one that writes something is not.
func TestKnownGoByNobody(t *testing.T) {
	s := openNew(t)
	fill(t, s, 10)
	keep := func(n int64) (seen *greylist.Entry) {
		t.Helper()
		err := s.Update(t.Context(), storetest.Numbered(n), func(remembered *greylist.Entry) (greylist.Entry, bool) {
			seen = remembered
			return greylist.Entry{}, false
		})
		if err != nil {
			t.Fatal(err)
		}
		return seen
	}
	for range 200 {
		keep(3)
	}
	busy, free := make(chan struct{}), make(chan struct{})
	held := make(chan error)
	go func() {
		held <- s.writer.do(context.Background(), func(*tx) error {
			close(busy)
			<-free
			return nil
		}, nil)
	}()
	<-busy
	if e := keep(7); e == nil || e.FirstSeen != 7 {
		t.Errorf("7 is remembered as %+v", e)
	}
	if e := keep(11); e != nil {
		t.Errorf("11 is remembered as %+v", e)
	}
	written := make(chan error)
	go func() { written <- put(s, 5, greylist.Entry{FirstSeen: 1000})() }()
	select {
	case err := <-written:
		t.Errorf("an update that writes is done while the writer is busy: %v", err)
	default:
	}
	close(free)
	for _, done := range []chan error{held, written} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if e := keep(5); e == nil || e.FirstSeen != 1000 { // the lookers see what was committed
		t.Errorf("5 is remembered as %+v", e)
	}
}

// TestWrongGuess: where triplets mostly are unseen, one that is not is judged by
// what is remembered of it.
func TestWrongGuess(t *testing.T) {
	s := openNew(t)
	fill(t, s, 200)
	if !s.habit.unseen.most() {
		t.Fatal("it is not guessed that triplets are unseen")
	}
	for range 3 {
		err := s.Update(t.Context(), storetest.Numbered(7), func(remembered *greylist.Entry) (greylist.Entry, bool) {
			if remembered == nil {
				return greylist.Entry{FirstSeen: 1, Deferred: 1}, true
			}
			e := *remembered
			e.Deferred++
			return e, true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if e, err := s.Get(t.Context(), storetest.Numbered(7)); err != nil || *e != (greylist.Entry{FirstSeen: 7, Deferred: 3}) {
		t.Errorf("%+v, %v; want what was remembered, deferred three times more", e, err)
	}
}
