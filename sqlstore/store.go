package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"greyglass/greylist"
)

// closeTimeout bounds how long Close takes where the database does not answer.
const closeTimeout = 5 * time.Second

// store is a [greylist.Store] in an SQLite file.
type store struct {
	path string // absolute, as it was asked for
	settings
	writer  *writer  // makes all changes
	keeper  *keeper  // looks after the database
	flusher *flusher // has changes reach the file itself; the keeper's
	habit   habit    // of updates
	counter counter  // of triplets

	closeOnce sync.Once
	closeErr  error
}

// settings are how a database is opened.
type settings struct {
	create      bool // it, if there is none, and anew, if it is damaged
	synchronous string
	log         *slog.Logger
	steps       []string // its [migrations]
}

// openSQLite opens the database at the path.
func openSQLite(ctx context.Context, path string, opts settings) (*store, error) {
	keepLocks()
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	s := &store{path: path, settings: opts}
	db, from, err := s.open(ctx, opts)
	if err != nil {
		return nil, err
	}
	s.writer = startWriter(path, db, opts.synchronous, opts.log)
	s.flusher = &flusher{writer: s.writer, log: opts.log}
	s.keeper = startKeeper(s, from == whatIsThere)
	return s, nil
}

// open opens what is at the path, or a new database.
func (s *store) open(ctx context.Context, opts settings) (db *opened, from origin, err error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	path, from, err := prepareFile(ctx, s.path, opts)
	if err != nil {
		return nil, from, err
	}
	db, err = openDatabase(ctx, s.path, path, opts)
	if err != nil {
		return nil, from, openError(path, err)
	}
	return db, from, nil
}

// Close implements [greylist.Store]. The database is then in its file alone,
// unless another program has it open. It returns an error after [closeTimeout],
// where the disk does not answer.
func (s *store) Close() error {
	s.closeOnce.Do(func() {
		done := make(chan error, 1)
		go func() { done <- s.close() }()
		select {
		case s.closeErr = <-done:
		case <-time.After(closeTimeout):
			s.closeErr = fmt.Errorf("sqlstore: %s does not answer, and is left as it is", s.path)
		}
	})
	return s.closeErr
}

func (s *store) close() error {
	s.writer.stop()
	s.keeper.close()
	now := s.writer.now.Load()
	if now.db == nil {
		return nil
	}
	if errors.Is(now.err, greylist.ErrDamaged) {
		err := now.db.close() // which may change it
		if s.keeper.condemned != nil {
			err = errors.Join(err, condemn(now.db.path, s.keeper.condemned))
		}
		return err
	}
	return errors.Join(s.flusher.last(), now.db.close())
}

// closed reports whether Close was called.
func (s *store) closed() bool {
	select {
	case <-s.writer.closing:
		return true
	default:
		return false
	}
}
