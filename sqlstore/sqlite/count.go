package sqlite

import (
	"context"
	"sync"
	"time"
)

// recount is how often the rows are counted, since other programs may change the
// database.
const recount = 10 * time.Minute

// counter counts the rows.
type counter struct {
	mu      sync.Mutex
	of      *database // what was counted; nil: nothing yet
	at      time.Time // of the last count
	counted int64     // then, less what the writer had added by then
}

// Count implements [greylist.Bounded]. It scans the index periodically, and in between
// adds the writer's changes.
func (s *Store) Count(ctx context.Context) (int64, error) {
	c := &s.counter
	c.mu.Lock()
	defer c.mu.Unlock()
	db, err := s.reading()
	if err != nil {
		return 0, err
	}
	if c.of != db || time.Since(c.at) > recount {
		before, now := s.writer.rows.Load(), time.Now()
		var n int64
		if err := db.readers.QueryRowContext(ctx, `SELECT count(*) FROM triplet`).Scan(&n); err != nil {
			return 0, s.failed(ctx, err)
		}
		c.of, c.at, c.counted = db, now, n-before
	}
	return c.counted + s.writer.rows.Load(), nil
}
