package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"greyglass/greylist"
)

// Get implements [greylist.Memory].
func (s *store) Get(ctx context.Context, t greylist.Triplet) (*greylist.Entry, error) {
	db, err := s.reading()
	if err != nil {
		return nil, err
	}
	k := keyOf(t)
	var e greylist.Entry
	switch err := db.readers.QueryRowContext(ctx, getSQL, k[:]).Scan(entryFields(&e)...); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, s.failed(ctx, err)
	}
	return &e, nil
}

const statsSQL = `SELECT
	count(*) - count(passed_at), count(passed_at),
	coalesce(sum(deferred), 0), coalesce(sum(accepted), 0),
	coalesce(min(CASE WHEN passed_at IS NULL THEN first_seen END), 0), coalesce(max(passed_at), 0)
	FROM triplet`

// Stats implements [greylist.Store]. It reads the whole table.
func (s *store) Stats(ctx context.Context) (greylist.Stats, error) {
	var st greylist.Stats
	db, err := s.reading()
	if err != nil {
		return st, err
	}
	err = db.readers.QueryRowContext(ctx, statsSQL).Scan(
		&st.Waiting, &st.Passed, &st.Deferred, &st.Accepted, &st.OldestWaiting, &st.LatestPassed)
	if err != nil {
		return greylist.Stats{}, s.failed(ctx, err)
	}
	st.Bytes = sizeOf(db.path) + sizeOf(walOf(db.path))
	return st, nil
}

// failed is the error of a method whose statement failed with err.
func (s *store) failed(ctx context.Context, err error) error {
	if s.closed() {
		return greylist.ErrClosed
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return explain(s.path, err)
}

// reading returns the database to read from.
func (s *store) reading() (*opened, error) {
	if s.closed() {
		return nil, greylist.ErrClosed
	}
	now := s.writer.now.Load()
	if now.db == nil {
		return nil, now.err
	}
	return now.db, nil
}
