package sqlite

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

const (
	// maxBatch bounds how many jobs share a transaction, and with it how long
	// the first of them waits for the last.
	maxBatch = 512

	// lockPatience bounds how long a writer that is to stop waits for another
	// program's lock.
	lockPatience = 2 * time.Second
)

// writer makes all changes, on one connection. It takes all jobs that are
// waiting, and those that are expected in a moment, and runs them in one
// transaction; those that come later share the next. So the cost of making a
// commit durable is shared by as many callers as there are, and an idle writer
// commits at once.
type writer struct {
	path string // of the database, for people
	log  *slog.Logger
	backend.Queue[*job]
	pauses   chan func()
	hopeless chan struct{} // closed: no lock is waited for any more
	exited   chan struct{} // closed: no more jobs are run

	now      atomic.Pointer[state] // stored by the writer's goroutine alone
	stalled  flag                  // it has been at one thing for longer than stallTime
	locked   atomic.Bool           // that is to wait for another program's lock
	alarm    chan struct{}         // holds one: the keeper is to look now
	durable  atomic.Bool           // is what was committed before its callers are told
	suspect  atomic.Bool           // the storage failed: connections may not work any more
	wrote    atomic.Bool           // something was committed; reset by whoever makes checkpoints
	rows     atomic.Int64          // how many triplets were added, less those removed, since it began
	counters *backend.Counters
}

// state is the database that there is, and why it can't be used.
type state struct {
	db  *opened // nil: none
	err error   // of every job; nil only if there is a database
}

// readable reports whether what is there to be read is right.
func (s *state) readable() bool { return s.err == nil || s.db != nil && errors.Is(s.err, errSync) }

// job is what one caller wants done in a transaction.
type job struct {
	ctx  context.Context
	run  func(*tx) error // may be called again, in a new transaction
	err  error           // of the last run
	done chan error      // holds one, so that a caller who has gone stops nobody
}

func startWriter(path string, db *opened, synchronous string, log *slog.Logger) *writer {
	w := &writer{
		path:     path,
		log:      log,
		Queue:    backend.NewQueue[*job](maxBatch, make(chan struct{})),
		pauses:   make(chan func()),
		hopeless: make(chan struct{}),
		exited:   make(chan struct{}),
		alarm:    make(chan struct{}, 1),
		counters: backend.NewCounters(),
	}
	w.durable.Store(synchronous == backend.Full)
	w.stalled.lower()
	w.now.Store(&state{db: db})
	go w.loop()
	return w
}

// do has run called inside a transaction, and returns nil once that is
// committed. If the context ends first, it returns an error that wraps the
// context's at once; the job may then be done or not, and run may still be
// going on. If the writer is held up, instead, which may be nil, is called once:
// true means that the job need not be done any more.
func (w *writer) do(ctx context.Context, run func(*tx) error, instead func() bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-w.Closing:
		return greylist.ErrClosed
	default:
	}
	j := &job{ctx: ctx, run: run, done: make(chan error, 1)}
	var stalled <-chan struct{}
	if instead != nil {
		stalled = w.stalled.raised()
	}
	queue := w.Jobs
	select {
	case queue <- j:
		queue = nil // it is handed in
	default:
	}
	for {
		select {
		case queue <- j:
			queue = nil
		case err := <-j.done:
			if ended := ctx.Err(); ended != nil && errors.Is(err, ended) { // the writer has seen it first
				return late(w.path, err, w.locked.Load())
			}
			return explain(w.path, err)
		case <-stalled:
			if instead() {
				return nil
			}
			stalled = nil
		case <-ctx.Done():
			return late(w.path, ctx.Err(), w.locked.Load())
		case <-w.exited:
			select { // what was handed in just before the writer's last look is done
			case err := <-j.done:
				return explain(w.path, err)
			default:
				return greylist.ErrClosed
			}
		}
	}
}

// pause calls f between two transactions, and returns when it has been called
// or the writer is closing.
func (w *writer) pause(f func()) {
	done := make(chan struct{})
	select {
	case w.pauses <- func() { defer close(done); f() }:
		<-done
	case <-w.Closing:
	}
}

// stop completes the jobs that were handed in, and takes no more.
func (w *writer) stop() {
	close(w.Closing)
	late := time.AfterFunc(lockPatience, func() { close(w.hopeless) })
	defer late.Stop()
	<-w.exited
}

func (w *writer) loop() {
	defer close(w.exited)
	batch := make([]*job, 0, maxBatch)
	for {
		select {
		case j := <-w.Jobs:
			w.commit(append(batch[:0], j), true)
			clear(batch[:cap(batch)])
		case f := <-w.pauses:
			f()
		case <-w.Closing:
			for batch = w.Fill(batch[:0], false); len(batch) > 0; batch = w.Fill(batch[:0], false) {
				w.commit(batch, false)
			}
			return
		}
	}
}
