// Package sqlite is a [greylist.Store] in an SQLite file, which people can read with the
// sqlite3 program.
//
// A recipient's update (update.go) is first looked up without the writer, in memory
// (cache.go) or in the database (lookup.go). All changes go through one writer with group
// commit (writer.go, batch.go). It reopens the database when its files were changed or the
// storage failed (recover.go, check.go). Checkpoints run on another connection
// (checkpoint.go). The methods that are the same in PostgreSQL are those of
// [backend.Common]; they read by read.go, and change by the writer.
package sqlite

import (
	"cmp"
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
	backend.Common
	path         string // absolute, as configured
	writer       *writer
	checkpointer *checkpointer
	counter      counter          // of triplets
	preparer     backend.Preparer // of searches
	kept         kept             // updates that wrote nothing
	filled       chan struct{}    // closed: the cache has been filled

	closeOnce sync.Once
	closeErr  error
}

// settings are how a database is opened.
type settings struct {
	create      bool // create a database if there is none, or it is corrupt
	synchronous string
	cache       int // entries; 0: no cache
	log         *slog.Logger
	steps       []string // [migrations], or a test's
	damaged     error    // corruption that a full check has found; nil: none
	corrupt     identity // of the corrupt file
}

// Open opens the database that the url "sqlite:PATH" names. With Create it also succeeds
// if the disk is full, the file system read-only or the folder missing: every method then
// returns an error until the database can be opened.
func Open(ctx context.Context, url string, opts backend.Options) (*Store, error) {
	path, err := pathOf(url)
	if err != nil {
		return nil, err
	}
	synchronous, err := checkSynchronous(opts.Synchronous)
	if err != nil {
		return nil, err
	}
	return openStore(ctx, path, settings{create: opts.Create, synchronous: synchronous, cache: opts.CacheTriplets, log: opts.Log(), steps: migrations})
}

// Check checks the url, without opening the file.
func Check(url string) error {
	_, err := pathOf(url)
	return err
}

// pathOf returns the path of the database that a url names.
func pathOf(url string) (path string, err error) {
	path, _ = strings.CutPrefix(url, "sqlite:")
	switch {
	case path == "":
		return "", fmt.Errorf("%q names no file; use sqlite:PATH", url)
	case strings.ContainsRune(path, 0):
		return "", fmt.Errorf("%q has a NUL in its path", url)
	}
	return path, nil
}

// openStore opens the database at the path.
func openStore(ctx context.Context, path string, opts settings) (*Store, error) {
	keepLocks()
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	opening, cancel := context.WithTimeout(ctx, backend.OpenTimeout)
	defer cancel()
	cache, err := newCache(opts.cache)
	if err != nil {
		return nil, fmt.Errorf("no memory for a cache of %d triplets: %w", opts.cache, err)
	}
	first := new(state)
	db, from, err := openPath(opening, path, opts)
	switch {
	case err == nil:
		first.db, first.err = db, db.refuses
	case opts.create && ctx.Err() == nil && mayPass(err):
		first.err = unusable(path, err)
	default:
		cache.close()
		return nil, err
	}
	s := &Store{path: path, writer: startWriter(path, first, opts)}
	s.Common = backend.NewCommon(s, "")
	s.writer.cache = cache
	s.kept.parts.Store(allParts)
	if err == nil {
		s.writer.checkSoon(from)
	}
	if cache != nil {
		s.filled = make(chan struct{})
		go s.fillCache()
	}
	s.checkpointer = startCheckpointer(s.writer)
	go s.writer.loop()
	return s, nil
}

// Close implements [greylist.Store]. The database is then complete in one file, unless
// another program has it open. It returns an error after [backend.CloseTimeout] if the
// disk does not answer.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		done := make(chan error, 1)
		go func() { done <- s.close() }()
		select {
		case s.closeErr = <-done:
		case <-time.After(backend.CloseTimeout):
			s.closeErr = fmt.Errorf("%s does not answer; leaving it as it is", s.path)
		}
	})
	return s.closeErr
}

func (s *Store) close() error {
	s.writer.stop()
	s.checkpointer.close()
	s.writer.cache.close()
	current := s.writer.current.Load()
	switch {
	case current.db == nil:
		return nil
	case errors.Is(current.err, greylist.ErrDamaged):
		return current.db.close()
	case current.db.refuses != nil:
		return cmp.Or(current.db.close(), current.db.only.check())
	}
	return errors.Join(s.checkpointer.last(current.db), current.db.close())
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
