package backend

import (
	"sync/atomic"
	"time"

	"greyglass/greylist"
)

// Numbers are the counts of an open store since it was opened.
type Numbers struct {
	Batch       greylist.Distribution // changes in a transaction
	Commit      greylist.Distribution // nanoseconds from the first change of a transaction to its commit
	Queued      int                   // changes that wait for the next transaction
	Failed      int64                 // transactions that failed because of the database
	Panics      int64                 // changes that panicked
	Unavailable bool                  // the database is known to fail at present

	// Size in bytes; zero if it is not known.
	DatabaseBytes, LogBytes int64
}

// Counters counts the transactions of a store.
type Counters struct {
	batch, took    *greylist.Histogram
	Failed, panics atomic.Int64
}

// NewCounters makes counters that are all zero.
func NewCounters() *Counters {
	return &Counters{
		batch: greylist.NewHistogram(1, 2, 4, 8, 16, 32, 64, 128, 256),
		took: greylist.NewHistogram(int64(250*time.Microsecond), int64(500*time.Microsecond), int64(time.Millisecond),
			int64(2500*time.Microsecond), int64(5*time.Millisecond), int64(10*time.Millisecond), int64(25*time.Millisecond),
			int64(50*time.Millisecond), int64(100*time.Millisecond), int64(250*time.Millisecond), int64(500*time.Millisecond),
			int64(time.Second), int64(2500*time.Millisecond), int64(5*time.Second)),
	}
}

// Done counts a successful transaction.
func (t *Counters) Done(jobs int, wrote bool, took time.Duration) {
	t.batch.Observe(int64(jobs))
	if wrote {
		t.took.Observe(int64(took))
	}
}

// Read returns the counts.
func (t *Counters) Read() Numbers {
	return Numbers{Batch: t.batch.Read(), Commit: t.took.Read(), Failed: t.Failed.Load(), Panics: t.panics.Load()}
}
