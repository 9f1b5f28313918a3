package sqlite

import (
	"context"
	"math"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// Expected implements [greylist.Memory].
func (s *Store) Expected(ctx context.Context) ([]greylist.Expectation, error) {
	db, err := s.reading()
	if err != nil {
		return nil, err
	}
	all, err := backend.Expected(ctx, db.readers)
	if isCorrupt(err) { // the writer finds out what that means
		_, err = s.changeRows(ctx, func(tx *tx) (int64, error) { return tx.change(backend.EndedSQL, int64(math.MinInt64)) })
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return all, nil
}

// UseExpected implements [greylist.Memory].
func (s *Store) UseExpected(ctx context.Context, e greylist.Expectation, now int64) (bool, error) {
	used, err := s.changeRows(ctx, func(tx *tx) (int64, error) {
		return tx.change(backend.UseExpectedSQL, e.Recipient, e.Sender, now, int64(1))
	})
	return used > 0, err
}

// Expect implements [greylist.Store].
func (s *Store) Expect(ctx context.Context, e greylist.Expectation) error {
	once := int64(0)
	if e.Once {
		once = 1
	}
	added, err := s.changeRows(ctx, func(tx *tx) (int64, error) {
		if _, err := tx.change(backend.EndedSQL, e.Since); err != nil {
			return 0, err
		}
		return tx.change(backend.ExpectSQL, e.Recipient, e.Sender, e.Since, e.Until, once, int64(greylist.MaxExpected))
	})
	if err == nil && added == 0 {
		return greylist.ErrManyExpected
	}
	return err
}

// CancelExpected implements [greylist.Store].
func (s *Store) CancelExpected(ctx context.Context, recipient, sender string) (bool, error) {
	removed, err := s.changeRows(ctx, func(tx *tx) (int64, error) { return tx.change(backend.CancelExpectedSQL, recipient, sender) })
	return removed > 0, err
}

// ExpireExpected implements [greylist.Store].
func (s *Store) ExpireExpected(ctx context.Context, now int64) (int, error) {
	removed, err := s.changeRows(ctx, func(tx *tx) (int64, error) { return tx.change(backend.EndedSQL, now) })
	return int(removed), err
}
