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
	e, err := get(ctx, db.readers, t)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return e, nil
}

// get returns what is in the table of a triplet, or nil.
func get(ctx context.Context, db *sql.DB, t greylist.Triplet) (*greylist.Entry, error) {
	k := keyOf(t)
	var e greylist.Entry
	switch err := db.QueryRowContext(ctx, getSQL, k[:]).Scan(entryFields(&e)...); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &e, nil
}

const statsSQL = `SELECT
	count(*) - count(passed_at), count(passed_at),
	coalesce(sum(deferred), 0), coalesce(sum(accepted), 0),
	coalesce(min(CASE WHEN passed_at IS NULL THEN first_seen END), 0), coalesce(max(passed_at), 0)
	FROM triplet`

// stats counts what is in the table.
func stats(ctx context.Context, db *sql.DB) (st greylist.Stats, err error) {
	err = db.QueryRowContext(ctx, statsSQL).Scan(
		&st.Waiting, &st.Passed, &st.Deferred, &st.Accepted, &st.OldestWaiting, &st.LatestPassed)
	return st, err
}

// Stats implements [greylist.Store]. It reads the whole table.
func (s *store) Stats(ctx context.Context) (greylist.Stats, error) {
	db, err := s.reading()
	if err != nil {
		return greylist.Stats{}, err
	}
	st, err := stats(ctx, db.readers)
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

// readers returns the connections for reading.
func (s *store) readers() (*sql.DB, error) {
	db, err := s.reading()
	if err != nil {
		return nil, err
	}
	return db.readers, nil
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
