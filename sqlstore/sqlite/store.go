package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// Store is a [greylist.Store] in an SQLite file.
type Store struct {
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

// Open opens the database that the url "sqlite:PATH" names.
func Open(ctx context.Context, url string, opts backend.Options) (*Store, error) {
	path, err := pathOf(url)
	if err != nil {
		return nil, err
	}
	synchronous, err := checkSynchronous(opts.Synchronous)
	if err != nil {
		return nil, err
	}
	return openStore(ctx, path, settings{opts.Create, synchronous, opts.Log(), migrations})
}

// Check reports what is wrong with the url, without looking at the file.
func Check(url string) error {
	_, err := pathOf(url)
	return err
}

// pathOf returns the path of the database that a url names.
func pathOf(url string) (path string, err error) {
	path, _ = strings.CutPrefix(url, "sqlite:")
	switch {
	case path == "":
		return "", fmt.Errorf("sqlstore: %q names no file; use sqlite:PATH", url)
	case strings.ContainsRune(path, 0):
		return "", fmt.Errorf("sqlstore: %q has a NUL in its path", url)
	}
	return path, nil
}

// openStore opens the database at the path.
func openStore(ctx context.Context, path string, opts settings) (*Store, error) {
	keepLocks()
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	s := &Store{path: path, settings: opts}
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
func (s *Store) open(ctx context.Context, opts settings) (db *opened, from origin, err error) {
	ctx, cancel := context.WithTimeout(ctx, backend.OpenTimeout)
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
// unless another program has it open. It returns an error after [CloseTimeout],
// where the disk does not answer.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		done := make(chan error, 1)
		go func() { done <- s.close() }()
		select {
		case s.closeErr = <-done:
		case <-time.After(backend.CloseTimeout):
			s.closeErr = fmt.Errorf("sqlstore: %s does not answer, and is left as it is", s.path)
		}
	})
	return s.closeErr
}

func (s *Store) close() error {
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
func (s *Store) closed() bool {
	select {
	case <-s.writer.Closing:
		return true
	default:
		return false
	}
}
