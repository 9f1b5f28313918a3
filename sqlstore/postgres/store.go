package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// Store is a [greylist.Store] in a PostgreSQL database, which any number of
// daemons share.
//
// One worker, which has a connection of its own (worker.go), decides on as
// many triplets at a time (batch.go) as it can get together
// (backend.Queue). Whether the server can be asked at all is looked after in
// away.go.
type Store struct {
	server   *server
	create   bool // the schema, if there is none
	steps    []string
	log      *slog.Logger
	link     link
	counter  counter
	worker   *worker
	counters *backend.Counters
	unseen   share   // of the triplets, of late
	reading  *sql.DB // for lists, and whatever else takes its time

	closing   chan struct{} // closed: nothing more is taken in
	closeOnce sync.Once
	closeErr  error
	tended    chan struct{} // closed when the link is looked after no more
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
	if s, err := newServer(url, ""); err == nil {
		return s.name
	}
	return "postgres://…"
}

// openStore opens the database that a URL names. With create it succeeds also
// while the server is away, unless the URL is wrong or what is there is not ours.
func openStore(ctx context.Context, url string, opts backend.Options, steps []string) (*Store, error) {
	server, err := newServer(url, opts.PasswordFile)
	if err != nil {
		return nil, err
	}
	s := &Store{
		server:   server,
		create:   opts.Create,
		steps:    steps,
		log:      opts.Log(),
		closing:  make(chan struct{}),
		tended:   make(chan struct{}),
		counters: backend.NewCounters(),
	}
	s.link.broken = make(chan struct{}, 1)
	opening, cancel := context.WithTimeout(ctx, backend.OpenTimeout)
	defer cancel()
	err = s.probe(opening)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, greylist.ErrNotOurs), errors.Is(err, greylist.ErrNewer):
		return nil, err
	case err != nil && !opts.Create:
		return nil, withAdvice(server.fault(err))
	case err != nil:
		s.link.fail(server.fault(err), false)
	}
	s.reading = server.pool(&s.link)
	s.worker = startWorker(s)
	go s.tend()
	return s, nil
}

// withAdvice is the error of a command, whose reader sees nothing but its text.
func withAdvice(f *greylist.Fault) error {
	if f.Advice == "" {
		return f
	}
	return fmt.Errorf("%s: %w; %s", f.Database, f, f.Advice)
}

// Migrate creates the schema in the PostgreSQL database that a URL names, or
// brings it to the present version, and returns that.
func Migrate(ctx context.Context, url string, opts backend.Options) (version int, err error) {
	server, err := newServer(url, opts.PasswordFile)
	if err != nil {
		return 0, err
	}
	conn, err := server.connect(ctx)
	if err == nil {
		defer conn.Close(context.WithoutCancel(ctx))
		err = prepare(ctx, conn, true, migrations)
	}
	switch {
	case errors.Is(err, greylist.ErrNotOurs), errors.Is(err, greylist.ErrNewer):
		return 0, err
	case err != nil:
		return 0, withAdvice(server.fault(err))
	}
	return len(migrations), nil
}

// probe connects anew, prepares the database where that is needed, and commits a
// write that changes nothing.
func (s *Store) probe(ctx context.Context) error {
	conn, err := s.server.connect(ctx)
	if err != nil {
		return err
	}
	defer closeSoon(conn)
	if err := prepare(ctx, conn, s.create, s.steps); err != nil {
		return err
	}
	if err := settle(ctx, conn); err != nil {
		return err
	}
	return ping(ctx, conn)
}

// ping writes where something is to be remembered, and commits it.
func ping(ctx context.Context, conn *pgx.Conn) error {
	b := new(pgx.Batch)
	b.Queue(`UPDATE greyglass SET checked = now()`)
	b.Queue(`DELETE FROM triplet WHERE key = ''`) // which is nobody's
	return conn.SendBatch(ctx, b).Close()
}

// closeSoon closes a connection without waiting for a server that may be gone.
func closeSoon(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// Close implements [greylist.Store]. It returns an error after [CloseTimeout],
// where the server does not answer.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		done := make(chan struct{})
		go func() {
			<-s.worker.exited
			<-s.tended
			_ = s.reading.Close()
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(backend.CloseTimeout):
			s.closeErr = fmt.Errorf("sqlstore: %s does not answer", s.server.name)
		}
	})
	return s.closeErr
}

func (s *Store) closed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// readers returns the connections for what takes its time.
func (s *Store) readers() (*sql.DB, error) {
	if s.closed() {
		return nil, greylist.ErrClosed
	}
	return s.reading, nil
}
