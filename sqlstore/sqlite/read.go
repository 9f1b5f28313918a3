package sqlite

import (
	"context"
	"database/sql"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// Get implements [greylist.Memory].
func (s *Store) Get(ctx context.Context, t greylist.Triplet) (*greylist.Entry, error) {
	db, err := s.reading()
	if err != nil {
		return nil, err
	}
	e, err := backend.Get(ctx, db.readers, t)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return e, nil
}

// Stats implements [greylist.Store]. It reads the whole table.
func (s *Store) Stats(ctx context.Context) (greylist.Stats, error) {
	db, err := s.reading()
	if err != nil {
		return greylist.Stats{}, err
	}
	st, err := backend.Stats(ctx, db.readers)
	if err != nil {
		return greylist.Stats{}, s.failed(ctx, err)
	}
	st.Bytes = sizeOf(db.path) + sizeOf(walOf(db.path))
	return st, nil
}

// Estimate implements [greylist.Estimating].
func (s *Store) Estimate(ctx context.Context) (st greylist.Stats, estimated bool, err error) {
	db, err := s.reading()
	if err != nil {
		return st, false, err
	}
	if st, estimated, err = backend.Estimate(ctx, db.readers); err != nil {
		return st, false, s.failed(ctx, err)
	}
	st.Bytes = sizeOf(db.path) + sizeOf(walOf(db.path))
	return st, estimated, nil
}

// failed converts the error of a statement to that of a method.
func (s *Store) failed(ctx context.Context, err error) error {
	if s.closed() {
		return greylist.ErrClosed
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if db, _ := s.reading(); db != nil {
		if started := db.only.check(); started != nil {
			return started
		}
	}
	return explain(s.path, err)
}

// readers returns the connections for reading.
func (s *Store) readers() (*sql.DB, error) {
	db, err := s.reading()
	if err != nil {
		return nil, err
	}
	return db.readers, nil
}

// reading returns the database to read from.
func (s *Store) reading() (*database, error) {
	if s.closed() {
		return nil, greylist.ErrClosed
	}
	current := s.writer.current.Load()
	if current.db == nil {
		return nil, current.err
	}
	return current.db, nil
}
