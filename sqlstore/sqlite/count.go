package sqlite

import (
	"context"
	"sync"
	"time"
)

const (
	// recount is how often the rows are counted even if no other program seems to have changed them.
	recount = 10 * time.Minute

	// recountShare bounds the time for counting after the changes of other programs: a
	// hundredth.
	recountShare = 100
)

// counter counts the rows.
type counter struct {
	mu      sync.Mutex
	of      *database // what was counted; nil: nothing yet
	at      time.Time // of the last count
	took    time.Duration
	foreign int64 // the changes of other programs that were known then
	counted int64 // then, less what the writer had added by then
}

// Count implements [greylist.Bounded]. It scans the index periodically, and after other
// programs have changed the database; in between it adds the writer's changes.
func (s *Store) Count(ctx context.Context) (int64, error) {
	c := &s.counter
	c.mu.Lock()
	defer c.mu.Unlock()
	db, err := s.reading()
	if err != nil {
		return 0, err
	}
	foreign, since := s.writer.foreign.Load(), time.Since(c.at)
	if c.of != db || since > recount || foreign != c.foreign && since > recountShare*c.took {
		before, began := s.writer.rows.Load(), time.Now()
		var n int64
		if err := db.readers.QueryRowContext(ctx, `SELECT count(*) FROM triplet`).Scan(&n); err != nil {
			return 0, s.Failed(ctx, err)
		}
		c.of, c.at, c.took, c.foreign, c.counted = db, began, time.Since(began), foreign, n-before
	}
	return c.counted + s.writer.rows.Load(), nil
}

// noteForeign notes whether another program has changed the database since the last call.
// SQLite's number changes with the commits of all connections but the writer's, of which only
// other programs' are.
func (w *writer) noteForeign(tx *tx) {
	var version int64
	if found, err := tx.First(`PRAGMA data_version`, []*int64{&version}); err == nil && found {
		w.foreign.Store(version)
	}
}
