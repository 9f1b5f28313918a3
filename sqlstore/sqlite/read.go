package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"greyglass/greylist"
)

// Readers implements [backend.Database].
func (s *Store) Readers() (*sql.DB, error) {
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

// Read implements [backend.Database].
func (s *Store) Read(ctx context.Context, read func(*sql.DB) error) error {
	db, err := s.Readers()
	if err != nil {
		return err
	}
	if err := read(db); err != nil {
		return s.Failed(ctx, err)
	}
	return nil
}

// Failed implements [backend.Database]. What a reader has found corrupt, the writer has checked.
func (s *Store) Failed(ctx context.Context, err error) error {
	if s.closed() {
		return greylist.ErrClosed
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	db, _ := s.reading()
	if db != nil {
		if started := db.only.check(); started != nil {
			return started
		}
	}
	if isCorrupt(err) && !errors.As(err, new(*greylist.Fault)) { // else the writer's own
		s.writer.foundCorrupt(ctx, db, err)
	}
	return explain(s.path, err)
}

// MayExpire implements [backend.Database].
func (s *Store) MayExpire() error { return nil }

// Size implements [backend.Database].
func (s *Store) Size(context.Context, *sql.DB) (int64, error) {
	db, err := s.reading()
	if err != nil {
		return 0, err
	}
	return sizeOf(db.path) + sizeOf(walOf(db.path)), nil
}
