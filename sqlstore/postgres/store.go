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
// One worker reads the rows of an update (update.go) together with all other updates
// that are queued (reader.go). If the update has something to write, another worker
// decides again on locked rows and commits (writer.go). So a commit that hangs does not
// block updates that only read. The health of reading and of writing is separate
// (health.go). The methods that are the same in SQLite are those of [backend.Common], on the
// connections of a pool (pool.go).
type Store struct {
	backend.Common
	server   *server
	create   bool // the schema, if there is none
	steps    []string
	log      *slog.Logger
	counters *backend.Counters
	rows     rowCounter
	preparer preparer

	reads, writes *health
	reader        *worker
	writer        *worker
	pool          *sql.DB // for slow statements

	// epoch counts the servers that health checks have found: a connection of an earlier
	// epoch may lead to a former primary.
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

// Check checks the URL, without using the network. The error contains no password.
func Check(url string) error {
	_, err := parseURL(url)
	return err
}

// Name is the URL without its password.
func Name(url string) string {
	if s, err := newServer(url, backend.Options{}); err == nil {
		return s.name
	}
	return "postgres://…"
}

// openStore opens the database. With create it also succeeds while the server is
// unavailable, unless the URL is wrong or the database is not a Greyglass database.
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
	s.Common = backend.NewCommon(s, ` FOR UPDATE SKIP LOCKED`)
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

// opened returns the error of opening a store whose health check failed. A daemon's store
// opens all the same, and is unavailable, unless the daemon may not use the database.
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

// withAdvice adds the advice to the error, for commands.
func withAdvice(f *greylist.Fault) error {
	if f.Advice == "" {
		return f
	}
	return fmt.Errorf("%s: %w; %s", f.Database, f, f.Advice)
}

// Close implements [greylist.Store]. It returns an error after [backend.CloseTimeout] if
// the server does not answer.
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

// Backup implements [greylist.Store]: PostgreSQL has its own tools.
func (s *Store) Backup(context.Context, string, func(done, total int64)) error {
	if s.isClosed() {
		return greylist.ErrClosed
	}
	host := s.server.hosts[s.server.last.Load()]
	return fmt.Errorf("%w: a PostgreSQL database is backed up by its own means, such as: pg_dump --format=custom --file=FILE --host=%s --port=%d --username=%s %s",
		backend.ErrUnsupported, host.Host, host.Port, host.User, host.Database)
}

// begin adds an update in progress, for which Close waits. It returns false if the store
// is closed.
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

// Numbers returns the counts of the store.
func (s *Store) Numbers() backend.Numbers {
	n := s.counters.Read()
	n.Queued = len(s.reader.Jobs) + len(s.writer.Jobs)
	n.Unavailable = s.reads.cause() != nil || s.writes.cause() != nil
	return n
}
