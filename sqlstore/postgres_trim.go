package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// trimLock is the advisory lock of the daemon that trims: "glasstri", as a number.
const trimLock = 0x676c617373747269

// sharedTrimSQL is [trimSQL] of several keys.
const sharedTrimSQL = `DELETE FROM triplet WHERE key = ANY ($1) AND passed_at IS NULL`

// sharedCounter knows how many rows there are.
type sharedCounter struct {
	rows atomic.Int64 // added by this program, less those removed

	mu      sync.Mutex
	next    time.Time // when they are to be counted anew: others add some too
	counted int64     // the last time, less what this program had added by then
}

// countShare is how much of the time, at most, is spent on counting.
const countShare = 50

// Count implements [greylist.Bounded]. It reads all of an index now and then; in
// between it takes what this program does into account.
func (s *sharedStore) Count(ctx context.Context) (int64, error) {
	c := &s.counter
	c.mu.Lock()
	defer c.mu.Unlock()
	db, err := s.readers()
	if err != nil {
		return 0, err
	}
	if began := time.Now(); began.After(c.next) {
		before := c.rows.Load()
		var n int64
		if err := db.QueryRowContext(ctx, countSQL).Scan(&n); err != nil {
			return 0, s.failed(ctx, err)
		}
		c.next, c.counted = time.Now().Add(5*time.Second+countShare*time.Since(began)), n-before
	}
	return c.counted + c.rows.Load(), nil
}

const countSQL = `SELECT count(*) FROM triplet`

// Trim implements [greylist.Bounded]. Of several daemons that want to, one does; the
// others then find that it is done, and report that as if they had done it.
func (s *sharedStore) Trim(ctx context.Context, excess int64) (removed int64, err error) {
	db, err := s.readers()
	if err != nil {
		return 0, err
	}
	var before, now int64
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, s.failed(ctx, err)
	}
	defer conn.Close()
	if err := conn.QueryRowContext(ctx, countSQL).Scan(&before); err != nil {
		return 0, s.failed(ctx, err)
	}
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(trimLock)); err != nil {
		return 0, s.failed(ctx, err)
	}
	defer func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(trimLock))
	}()
	if err := conn.QueryRowContext(ctx, countSQL).Scan(&now); err != nil {
		return 0, s.failed(ctx, err)
	}
	removed = max(0, before-now) // by others
	s.counter.rows.Add(-removed)
	if removed >= excess {
		return removed, nil
	}
	newest, err := newestWaiting(ctx, db)
	if err != nil {
		return removed, s.failed(ctx, err)
	}
	for batch := range slices.Chunk(surplus(newest, min(excess-removed, trimMost)), trimBatch) {
		n, err := trimKeys(ctx, conn, batch)
		removed += n
		s.counter.rows.Add(-n)
		if err != nil {
			return removed, s.failed(ctx, err)
		}
		select {
		case <-ctx.Done():
			return removed, ctx.Err()
		case <-time.After(trimPause):
		}
	}
	return removed, nil
}

func trimKeys(ctx context.Context, conn *sql.Conn, keys []key) (removed int64, err error) {
	all := make([][]byte, len(keys))
	for i := range keys {
		all[i] = keys[i][:]
	}
	result, err := conn.ExecContext(ctx, sharedTrimSQL, all)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
