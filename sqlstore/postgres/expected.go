package postgres

import (
	"context"
	"database/sql"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// Expected implements [greylist.Memory].
func (s *Store) Expected(ctx context.Context) (all []greylist.Expectation, err error) {
	err = s.run(ctx, func(db *sql.DB) error {
		all, err = backend.Expected(ctx, db)
		return err
	})
	return all, err
}

// UseExpected implements [greylist.Memory].
func (s *Store) UseExpected(ctx context.Context, e greylist.Expectation, now int64) (bool, error) {
	used, err := s.change(ctx, backend.UseExpectedSQL, e.Recipient, e.Sender, now, true)
	return used > 0, err
}

// Expect implements [greylist.Store].
func (s *Store) Expect(ctx context.Context, e greylist.Expectation) error {
	var added int64
	err := s.inTransaction(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, backend.EndedSQL, e.Since); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, backend.ExpectSQL, e.Recipient, e.Sender, e.Since, e.Until, e.Once, greylist.MaxExpected)
		if err == nil {
			added, err = result.RowsAffected()
		}
		return err
	})
	if err == nil && added == 0 {
		return greylist.ErrManyExpected
	}
	return err
}

// CancelExpected implements [greylist.Store].
func (s *Store) CancelExpected(ctx context.Context, recipient, sender string) (bool, error) {
	removed, err := s.change(ctx, backend.CancelExpectedSQL, recipient, sender)
	return removed > 0, err
}

// ExpireExpected implements [greylist.Store]. Its error wraps [greylist.ErrClockSkew] as
// that of [Store.Expire] does.
func (s *Store) ExpireExpected(ctx context.Context, now int64) (int, error) {
	if err := s.mayExpire(); err != nil {
		return 0, err
	}
	removed, err := s.change(ctx, backend.EndedSQL, now)
	return int(removed), err
}
