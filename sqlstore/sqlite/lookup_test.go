package sqlite

import (
	"context"
	"testing"

	"greyglass/greylist"
)

// TestKnownNeedNoWriter: a known triplet that needs no write is answered while the
// writer is busy, by what was committed last; one that needs a write is not.
func TestKnownNeedNoWriter(t *testing.T) {
	s := openNew(t)
	fill(t, s, 10)
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
	stillKnown(t, s, 7)
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
	var shown *greylist.Entry
	if _, err := inTime(t, s, 5, keep(&shown)); err != nil || shown == nil || shown.FirstSeen != 1000 {
		t.Errorf("after the commit: %+v, %v", shown, err)
	}
}
