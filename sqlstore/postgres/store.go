package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// Store is a [greylist.Store] in a PostgreSQL database, which any number of
// daemons share.
//
// An update (update.go) is read by one worker, together with all others that are
// asked for at that moment (reader.go). If it has something to write, another worker
// decides again, on locked rows, and commits (writer.go). So a commit that hangs is
// in nobody's way who only reads. Whether reading and writing work is known
// separately (health.go).
type Store struct {
	server   *server
	create   bool // the schema, if there is none
	steps    []string
	log      *slog.Logger
	counters *backend.Counters
	rows     rowCounter

	reads, writes *health
	reader        *worker
	writer        *worker
	pool          *sql.DB // for whatever takes its time

	// epoch counts the servers found by health checks: a connection of an earlier
	// epoch may lead to what was the primary then.
	epoch  atomic.Int64
	origin atomic.Pointer[string] // of the server of this epoch; nil: the next one found begins a new epoch

	mu        sync.RWMutex
	closed    bool
	updates   sync.WaitGroup // in progress
	closing   chan struct{}  // closed by Close
	closeOnce sync.Once
	closeErr  error
	checks    sync.WaitGroup // the goroutines of health checks

	stopWatching func() // for locks
}

// Open opens the database that a URL names (libpq's connection URIs).
func Open(ctx context.Context, url string, opts backend.Options) (*Store, error) {
	return openStore(ctx, url, opts, migrations)
}

// Check reports what is wrong with the URL, without looking at the network. The error
// holds no password.
func Check(url string) error {
	_, err := parseURL(url)
	return err
}

// Name is the database that a URL names, for people: there is no password in it.
func Name(url string) string {
	if s, err := newServer(url, backend.Options{}); err == nil {
		return s.name
	}
	return "postgres://…"
}

// openStore opens the database that a URL names. With create it succeeds also
// while the server is unavailable, unless the URL is wrong or what is there is not ours.
func openStore(ctx context.Context, url string, opts backend.Options, steps []string) (*Store, error) {
	server, err := newServer(url, opts)
	if err != nil {
		return nil, err
	}
	s := &Store{
		server:   server,
		create:   opts.Create,
		steps:    steps,
		log:      opts.Log(),
		closing:  make(chan struct{}),
		counters: backend.NewCounters(),
	}
	s.reads, s.writes = newHealth(s.checkReads, true), newHealth(s.checkWrites, false)
	s.stopWatching = server.watchLocks(opts.Waiting)
	opening, cancel := context.WithTimeout(ctx, backend.OpenTimeout)
	defer cancel()
	if opts.Create {
		err = s.checkWrites(opening)
	} else { // a command finds out by itself whether it can do what it wants
		err = s.checkBy(opening, func(*session) error { return nil })
	}
	if err := s.opened(ctx, err); err != nil {
		s.stopWatching()
		return nil, err
	}
	s.pool = server.pool(&s.epoch)
	s.reader = startWorker(s, s.reads, s.read)
	s.writer = startWorker(s, s.writes, s.write)
	s.startChecks()
	return s, nil
}

// opened returns the error of an opening whose health check had one. A daemon's store is
// open all the same, and unavailable, unless the database is not one that it may use.
func (s *Store) opened(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil, errors.Is(err, greylist.ErrNotOurs), errors.Is(err, greylist.ErrNewer):
		return err
	case !s.create:
		return withAdvice(s.server.fault(err))
	}
	s.reads.failed(s.server.fault(err))
	s.writes.failed(s.server.fault(err))
	return nil
}

// withAdvice is the error of a command, whose reader sees nothing but its text.
func withAdvice(f *greylist.Fault) error {
	if f.Advice == "" {
		return f
	}
	return fmt.Errorf("%s: %w; %s", f.Database, f, f.Advice)
}

// Close implements [greylist.Store]. It returns an error after [backend.CloseTimeout],
// where the server does not answer.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		close(s.closing)
		done := make(chan struct{})
		go func() {
			s.updates.Wait()
			s.reader.stop()
			s.writer.stop()
			s.checks.Wait()
			_ = s.pool.Close()
			s.stopWatching()
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(backend.CloseTimeout):
			s.closeErr = fmt.Errorf("%s does not answer", s.server.name)
		}
	})
	return s.closeErr
}

// begin notes an update in progress, which Close waits for. It returns false if the
// store is closed.
func (s *Store) begin() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.closed {
		s.updates.Add(1)
	}
	return !s.closed
}

func (s *Store) isClosed() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.closed
}

// Numbers are what the store counts about itself.
func (s *Store) Numbers() backend.Numbers {
	n := s.counters.Read()
	n.Queued = len(s.reader.Jobs) + len(s.writer.Jobs)
	n.Away = s.reads.present() != nil || s.writes.present() != nil
	return n
}
