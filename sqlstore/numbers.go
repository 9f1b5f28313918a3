package sqlstore

import (
	"os"
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

// NumbersOf returns the numbers of a store, and whether it has any.
func NumbersOf(opened greylist.Store) (Numbers, bool) {
	s, ok := opened.(interface{ numbers() Numbers })
	if !ok {
		return Numbers{}, false
	}
	return s.numbers(), true
}

func (s *store) numbers() Numbers {
	n := s.writer.tally.read()
	n.Queued = len(s.writer.queue)
	now := s.writer.now.Load()
	n.Away = now.err != nil
	if now.db != nil {
		n.DatabaseBytes, n.LogBytes = sizeOf(now.db.path), sizeOf(walOf(now.db.path))
	}
	return n
}

func (s *sharedStore) numbers() Numbers {
	n := s.tally.read()
	n.Queued = len(s.worker.queue)
	n.Away = s.link.away.Load() != nil
	return n
}

func sizeOf(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

// tally counts the transactions of a store.
type tally struct {
	batch, took    *greylist.Histogram
	failed, panics atomic.Int64
}

func newTally() *tally {
	return &tally{
		batch: greylist.NewHistogram(1, 2, 4, 8, 16, 32, 64, 128, 256),
		took: greylist.NewHistogram(int64(250*time.Microsecond), int64(500*time.Microsecond), int64(time.Millisecond),
			int64(2500*time.Microsecond), int64(5*time.Millisecond), int64(10*time.Millisecond), int64(25*time.Millisecond),
			int64(50*time.Millisecond), int64(100*time.Millisecond), int64(250*time.Millisecond), int64(500*time.Millisecond),
			int64(time.Second), int64(2500*time.Millisecond), int64(5*time.Second)),
	}
}

// done counts a transaction that ended well.
func (t *tally) done(jobs int, wrote bool, took time.Duration) {
	t.batch.Observe(int64(jobs))
	if wrote {
		t.took.Observe(int64(took))
	}
}

func (t *tally) read() Numbers {
	return Numbers{Batch: t.batch.Read(), Commit: t.took.Read(), Failed: t.failed.Load(), Panics: t.panics.Load()}
}
