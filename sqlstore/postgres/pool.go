package postgres

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// run calls do with pooled connections, and again after a conflict, which has rolled it
// back.
func (s *Store) run(ctx context.Context, do func(db *sql.DB) error) error {
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

// Readers implements [backend.Database]: they are the pooled connections, which also write.
func (s *Store) Readers() (*sql.DB, error) {
	if s.isClosed() {
		return nil, greylist.ErrClosed
	}
	return s.pool, nil
}

// Read implements [backend.Database].
func (s *Store) Read(ctx context.Context, read func(db *sql.DB) error) error { return s.run(ctx, read) }

// Failed implements [backend.Database].
func (s *Store) Failed(ctx context.Context, err error) error {
	if s.isClosed() {
		return greylist.ErrClosed
	}
	if ended := ctx.Err(); errors.Is(ended, context.Canceled) {
		return ended
	}
	fault := s.server.fault(err)
	if isReadOnly(err) && s.writes.cause() == nil {
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
