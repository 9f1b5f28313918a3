package postgres

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
	"time"

	"greyglass/sqlstore/backend"
)

// trimLock is the advisory lock for trimming: "glasstri" as a number.
const trimLock = 0x676c617373747269

// trimSQL keeps rows that have passed meanwhile.
const trimSQL = `DELETE FROM triplet WHERE key = ANY ($1) AND passed_at IS NULL`

const (
	// Rows are counted again after countEvery, since other daemons add some, too; counting
	// takes at most one countShare-th of the time.
	countEvery = time.Second
	countShare = 20
)

// rowCounter counts the rows.
type rowCounter struct {
	added atomic.Int64 // by this program, less those removed

	mu      sync.Mutex
	next    time.Time // of the next count
	counted int64     // the last count, less what this program had added by then
}

// Count implements [greylist.Bounded]. It scans an index periodically, and in between
// adds this program's changes.
func (s *Store) Count(ctx context.Context) (rows int64, err error) {
	err = s.run(ctx, func(db *sql.DB) error {
		rows, err = s.rows.count(ctx, db, false)
		return err
	})
	return rows, err
}

// count returns the number of rows; it scans if a count is due, or with exactly.
func (c *rowCounter) count(ctx context.Context, db *sql.DB, exactly bool) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if began := time.Now(); exactly || began.After(c.next) {
		before := c.added.Load()
		var n int64
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM triplet`).Scan(&n); err != nil {
			return 0, err
		}
		c.next, c.counted = time.Now().Add(countEvery+countShare*time.Since(began)), n-before
	}
	return c.counted + c.added.Load(), nil
}

// Trim implements [greylist.Bounded]. One daemon trims at a time; others wait, and then
// find nothing to trim. A transaction that does nothing else holds the lock.
func (s *Store) Trim(ctx context.Context, most int64) (removed int64, err error) {
	err = s.inTransaction(ctx, func(lock *sql.Tx) error {
		if _, err := lock.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(trimLock)); err != nil {
			return err
		}
		removed, err = s.trim(ctx, most)
		return err
	})
	return removed, err
}

func (s *Store) trim(ctx context.Context, most int64) (removed int64, err error) {
	rows, err := s.rows.count(ctx, s.pool, true)
	if err != nil || rows <= most {
		return 0, err
	}
	return backend.Trim(ctx, s.pool, rows-most, func(batch []backend.Key) (int64, error) {
		keys := make([][]byte, len(batch))
		for i := range batch {
			keys[i] = batch[i][:]
		}
		result, err := s.pool.ExecContext(ctx, trimSQL, keys)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		s.rows.added.Add(-n)
		return n, err
	})
}
