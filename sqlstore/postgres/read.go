package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// Read implements [backend.Database]. It calls do again after a conflict, which has rolled it
// back.
func (s *Store) Read(ctx context.Context, do func(db *sql.DB) error) error {
	for pause := retryFirst; ; pause = min(2*pause, retryMost) {
		db, err := s.Readers()
		if err != nil {
			return err
		}
		err = do(db)
		switch {
		case err == nil:
			return nil
		case !isConflict(err):
			return s.Failed(ctx, err)
		}
		select {
		case <-ctx.Done():
			return s.Failed(ctx, err)
		case <-time.After(rand.N(pause)):
		}
	}
}

// inTransaction makes changes in one transaction.
func (s *Store) inTransaction(ctx context.Context, do func(*sql.Tx) error) error {
	return s.Read(ctx, func(db *sql.DB) error {
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

// Readers implements [backend.Database]: they are the pooled connections, which also write.
func (s *Store) Readers() (*sql.DB, error) {
	if s.isClosed() {
		return nil, greylist.ErrClosed
	}
	return s.pool, nil
}

// Failed implements [backend.Database].
func (s *Store) Failed(ctx context.Context, err error) error {
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

// Change implements [backend.Database].
func (s *Store) Change(ctx context.Context, change func(backend.Transaction) (int64, error)) (rows int64, err error) {
	err = s.inTransaction(ctx, func(tx *sql.Tx) error {
		rows, err = change(changing{ctx, tx})
		return err
	})
	if err != nil {
		return 0, err
	}
	return rows, nil
}

// changing is a [backend.Transaction] on a pooled connection.
type changing struct {
	ctx context.Context
	tx  *sql.Tx
}

func (c changing) Change(statement string, args ...any) (int64, error) {
	result, err := c.tx.ExecContext(c.ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (c changing) First(query string, into []*int64, args ...any) (found bool, err error) {
	var fields []any
	for _, field := range into {
		fields = append(fields, field)
	}
	err = c.tx.QueryRowContext(c.ctx, query, args...).Scan(fields...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (changing) ClientsChange(...string) {}

// Size implements [backend.Database].
func (s *Store) Size(ctx context.Context, db *sql.DB) (bytes int64, err error) {
	err = db.QueryRowContext(ctx, `SELECT pg_total_relation_size('triplet')`).Scan(&bytes)
	return bytes, err
}

// Forget implements [greylist.Store].
func (s *Store) Forget(ctx context.Context, t greylist.Triplet) (bool, error) {
	k := backend.KeyOf(t)
	removed, err := s.Change(ctx, func(tx backend.Transaction) (int64, error) { return tx.Change(backend.RemoveSQL, k[:]) })
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
	err = s.Read(ctx, func(db *sql.DB) error {
		if err := s.MayExpire(); err != nil {
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
