package postgres

import (
	"context"
	"database/sql"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"greyglass/sqlstore/backend"
)

// trimLock is the advisory lock of the daemon that trims: "glasstri", as a number.
const trimLock = 0x676c617373747269

// trimSQL is [trimSQL] of several keys.
const trimSQL = `DELETE FROM triplet WHERE key = ANY ($1) AND passed_at IS NULL`

// counter knows how many rows there are.
type counter struct {
	rows atomic.Int64 // added by this program, less those removed

	mu      sync.Mutex
	next    time.Time // when they are to be counted anew: others add some too
	counted int64     // the last time, less what this program had added by then
}

// countShare is how much of the time, at most, is spent on counting.
const countShare = 50

// Count implements [greylist.Bounded]. It reads all of an index now and then; in
// between it takes what this program does into account.
func (s *Store) Count(ctx context.Context) (int64, error) {
	c := &s.counter
	c.mu.Lock()
	defer c.mu.Unlock()
	db, err := s.readers()
	if err != nil {
		return 0, err
	}
	if time.Now().After(c.next) {
		if err := c.count(ctx, db); err != nil {
			return 0, s.failed(ctx, err)
		}
	}
	return c.counted + c.rows.Load(), nil
}

// excess returns how many rows there are now beyond so many.
func (c *counter) excess(ctx context.Context, conn *sql.Conn, left int64) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.count(ctx, conn); err != nil {
		return 0, err
	}
	return c.counted + c.rows.Load() - left, nil
}

// count counts the rows anew. The caller holds the lock.
func (c *counter) count(ctx context.Context, db interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}) error {
	began, before := time.Now(), c.rows.Load()
	var n int64
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM triplet`).Scan(&n); err != nil {
		return err
	}
	c.next, c.counted = time.Now().Add(5*time.Second+countShare*time.Since(began)), n-before
	return nil
}

// Trim implements [greylist.Bounded]. Of several daemons that want to, one does, and
// the others, who waited for it, then find that it is done.
func (s *Store) Trim(ctx context.Context, left int64) (removed int64, err error) {
	db, err := s.readers()
	if err != nil {
		return 0, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, s.failed(ctx, err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(trimLock)); err != nil {
		return 0, s.failed(ctx, err)
	}
	defer func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(trimLock))
	}()
	excess, err := s.counter.excess(ctx, conn, left)
	if err != nil {
		return 0, s.failed(ctx, err)
	}
	if excess <= 0 {
		return 0, nil
	}
	newest, err := backend.NewestWaiting(ctx, db)
	if err != nil {
		return 0, s.failed(ctx, err)
	}
	for batch := range slices.Chunk(backend.Surplus(newest, min(excess, backend.TrimMost)), backend.TrimBatch) {
		n, err := trimKeys(ctx, conn, batch)
		removed += n
		s.counter.rows.Add(-n)
		if err != nil {
			return removed, s.failed(ctx, err)
		}
		select {
		case <-ctx.Done():
			return removed, ctx.Err()
		case <-time.After(backend.TrimPause):
		}
	}
	return removed, nil
}

func trimKeys(ctx context.Context, conn *sql.Conn, keys []backend.Key) (removed int64, err error) {
	all := make([][]byte, len(keys))
	for i := range keys {
		all[i] = keys[i][:]
	}
	result, err := conn.ExecContext(ctx, trimSQL, all)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
