package backend

import (
	"sync/atomic"
	"time"

	"greyglass/greylist"
)

// Numbers are what a store that [Open] has opened counts about itself, from its
// opening on.
type Numbers struct {
	Batch  greylist.Distribution // how many changes shared a transaction
	Commit greylist.Distribution // how long a transaction took that wrote, in nanoseconds, from its first change until it was durable
	Queued int                   // changes that wait for the next transaction
	Failed int64                 // transactions that failed because the storage did
	Panics int64                 // changes that panicked
	Away   bool                  // the database is known not to work at the moment

	// Size in bytes; zero where it is not known.
	DatabaseBytes, LogBytes int64
}

// Counters count the transactions of a store.
type Counters struct {
	batch, took    *greylist.Histogram
	Failed, panics atomic.Int64
}

// NewCounters returns counters that have counted nothing.
func NewCounters() *Counters {
	return &Counters{
		batch: greylist.NewHistogram(1, 2, 4, 8, 16, 32, 64, 128, 256),
		took: greylist.NewHistogram(int64(250*time.Microsecond), int64(500*time.Microsecond), int64(time.Millisecond),
			int64(2500*time.Microsecond), int64(5*time.Millisecond), int64(10*time.Millisecond), int64(25*time.Millisecond),
			int64(50*time.Millisecond), int64(100*time.Millisecond), int64(250*time.Millisecond), int64(500*time.Millisecond),
			int64(time.Second), int64(2500*time.Millisecond), int64(5*time.Second)),
	}
}

// Done counts a transaction that ended well.
func (t *Counters) Done(jobs int, wrote bool, took time.Duration) {
	t.batch.Observe(int64(jobs))
	if wrote {
		t.took.Observe(int64(took))
	}
}

// Read returns what was counted.
func (t *Counters) Read() Numbers {
	return Numbers{Batch: t.batch.Read(), Commit: t.took.Read(), Failed: t.Failed.Load(), Panics: t.panics.Load()}
}
