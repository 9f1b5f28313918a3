package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// run calls do with pooled connections, and again after a conflict, which has rolled it
// back.
func (s *Store) run(ctx context.Context, do func(db *sql.DB) error) error {
	for pause := retryFirst; ; pause = min(2*pause, retryMost) {
		db, err := s.readers()
		if err != nil {
			return err
		}
		err = do(db)
		switch {
		case err == nil:
			return nil
		case !isConflict(err):
			return s.failed(ctx, err)
		}
		select {
		case <-ctx.Done():
			return s.failed(ctx, err)
		case <-time.After(rand.N(pause)):
		}
	}
}

// inTransaction makes changes in one transaction.
func (s *Store) inTransaction(ctx context.Context, do func(*sql.Tx) error) error {
	return s.run(ctx, func(db *sql.DB) error {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return err
		}
		defer tx.Rollback() // has no effect after a commit
		if err := do(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// readers returns the pooled connections.
func (s *Store) readers() (*sql.DB, error) {
	if s.isClosed() {
		return nil, greylist.ErrClosed
	}
	return s.pool, nil
}

// failed converts the error of a statement to that of a method.
func (s *Store) failed(ctx context.Context, err error) error {
	if s.isClosed() {
		return greylist.ErrClosed
	}
	if ended := ctx.Err(); errors.Is(ended, context.Canceled) {
		return ended
	}
	fault := s.server.fault(err)
	if isReadOnly(err) && s.writes.present() == nil {
		s.refused(err)
		s.writes.failed(fault)
	}
	return fault
}

// Get implements [greylist.Memory].
func (s *Store) Get(ctx context.Context, t greylist.Triplet) (e *greylist.Entry, err error) {
	err = s.run(ctx, func(db *sql.DB) error {
		e, err = backend.Get(ctx, db, t)
		return err
	})
	return e, err
}

// List implements [greylist.Store].
func (s *Store) List(ctx context.Context, f greylist.Filter) iter.Seq2[greylist.Record, error] {
	return backend.List(ctx, f, s.readers, s.failed)
}

// Stats implements [greylist.Store]. It reads the whole table.
func (s *Store) Stats(ctx context.Context) (st greylist.Stats, err error) {
	err = s.run(ctx, func(db *sql.DB) error {
		if st, err = backend.Stats(ctx, db); err != nil {
			return err
		}
		return db.QueryRowContext(ctx, `SELECT pg_total_relation_size('triplet')`).Scan(&st.Bytes)
	})
	return st, err
}

// Estimate implements [greylist.Estimating].
func (s *Store) Estimate(ctx context.Context) (st greylist.Stats, estimated bool, err error) {
	err = s.run(ctx, func(db *sql.DB) error {
		if st, estimated, err = backend.Estimate(ctx, db); err != nil {
			return err
		}
		return db.QueryRowContext(ctx, `SELECT pg_total_relation_size('triplet')`).Scan(&st.Bytes)
	})
	return st, estimated, err
}

// Forget implements [greylist.Store].
func (s *Store) Forget(ctx context.Context, t greylist.Triplet) (bool, error) {
	k := backend.KeyOf(t)
	removed, err := s.change(ctx, backend.RemoveSQL, k[:])
	s.rows.added.Add(-removed)
	return removed > 0, err
}

// expireSQL reads a batch of rows after an id, and removes those that
// [greylist.Cutoffs.Expired], unless another session has locked them. It returns the
// number of rows, the id of the last, and how many it removed.
const expireSQL = `WITH batch AS (SELECT id FROM triplet WHERE id > $1 ORDER BY id LIMIT $2),
	old AS MATERIALIZED (SELECT id FROM triplet WHERE id IN (SELECT id FROM batch) AND
		CASE WHEN passed_at IS NULL THEN first_seen < $3 ELSE passed_at < $4 END
		ORDER BY id FOR UPDATE SKIP LOCKED),
	gone AS (DELETE FROM triplet WHERE id IN (SELECT id FROM old) RETURNING 1)
	SELECT count(*), coalesce(max(id), 0), (SELECT count(*) FROM gone) FROM batch`

// Expire implements [greylist.Store]. Each daemon expires rows. The error wraps
// [greylist.ErrClockSkew] if this machine's clock and the server's differ too much.
func (s *Store) Expire(ctx context.Context, c greylist.Cutoffs, cursor int64) (removed int, next int64, err error) {
	var rows int64
	err = s.run(ctx, func(db *sql.DB) error {
		if err := s.mayExpire(); err != nil {
			return err
		}
		return db.QueryRowContext(ctx, expireSQL, cursor, backend.ExpireBatch, c.WaitingBefore, c.PassedBefore).Scan(&rows, &next, &removed)
	})
	if err != nil {
		return 0, cursor, err
	}
	s.rows.added.Add(-int64(removed))
	if rows < backend.ExpireBatch {
		next = 0
	}
	return removed, next, nil
}

// Backup implements [greylist.Store]: PostgreSQL has its own tools.
func (s *Store) Backup(context.Context, string, func(done, total int64)) error {
	if s.isClosed() {
		return greylist.ErrClosed
	}
	host := s.server.hosts[s.server.last.Load()]
	return fmt.Errorf("%w: a PostgreSQL database is backed up by its own means, such as: pg_dump --format=custom --file=FILE --host=%s --port=%d --username=%s %s",
		backend.ErrUnsupported, host.Host, host.Port, host.User, host.Database)
}
