package sqlite

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

const (
	// maxBatch bounds the jobs in a transaction, and so the time until its commit.
	maxBatch = 512

	// stallTime is how long a job waits for the writer before it tries to do without a
	// write.
	stallTime = 100 * time.Millisecond

	// lockTimeout bounds how long a stopping writer waits for another program's lock.
	lockTimeout = 2 * time.Second
)

// interval is how often a checkpoint is made and the files are checked.
var interval = time.Second // tests make it shorter

// writer makes all changes, on one connection, and replaces the connections when the
// database needs it (recover.go). It takes all jobs that are waiting, and those that
// are expected in a moment, and runs them in one transaction; those that come later
// share the next. So the cost of making a commit durable is shared by as many callers
// as there are, and an idle writer commits at once.
type writer struct {
	path string // of the database, as it was asked for
	settings
	backend.Queue[*job]
	pauses      chan func()
	giveUpLocks chan struct{} // closed: do not wait for locks any more
	exited      chan struct{} // closed: the writer has ended

	current     atomic.Pointer[state]  // stored by the writer's goroutine alone
	locked      atomic.Bool            // another program holds the lock
	cache       *cache                 // nil: none
	synchronous atomic.Pointer[string] // of the next transaction
	wrote       atomic.Bool            // something was committed; reset by a checkpoint
	rows        atomic.Int64           // triplets added, less those removed, since the start
	foreign     atomic.Int64           // SQLite's number of changes by other programs, as of the last second
	counters    *backend.Counters
	recorded    map[string]int64 // the last committed batch of the history, by daemon; only the writer's goroutine uses it

	recovery // of the writer's goroutine alone
}

// state is the open database, or why there is none.
type state struct {
	db  *database // nil: none
	err error     // of every job; nil only if there is a database
}

// job is what one caller wants to run in a transaction.
type job struct {
	ctx  context.Context
	run  func(*tx) error // may be called again, in a new transaction
	err  error           // the context's, if the caller had gone when its turn came
	done chan error      // buffered, so that a missing caller does not block the writer

	stalled *time.Timer // for how long the caller waits before it tries to do without a write
}

// jobs are spare ones, whose timers are stopped.
var jobs = sync.Pool{New: func() any {
	j := &job{done: make(chan error, 1), stalled: time.NewTimer(0)}
	j.stalled.Stop()
	return j
}}

func startWriter(path string, first *state, opts settings) *writer {
	w := &writer{
		path:        path,
		settings:    opts,
		Queue:       backend.NewQueue[*job](maxBatch, make(chan struct{})),
		pauses:      make(chan func()),
		giveUpLocks: make(chan struct{}),
		exited:      make(chan struct{}),
		counters:    backend.NewCounters(),
		recorded:    make(map[string]int64),
	}
	w.synchronous.Store(&opts.synchronous)
	w.current.Store(first)
	return w
}

// do runs a function in a transaction, and returns nil once that is committed. If the
// context ends first, it returns an error that wraps the context's at once; the job may
// then be committed or not, and run may still be running. If the writer is blocked, do
// calls fallback once, unless that is nil; if it returns true, the job is not needed any more.
func (w *writer) do(ctx context.Context, run func(*tx) error, fallback func() bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-w.Closing:
		return greylist.ErrClosed
	default:
	}
	j := jobs.Get().(*job)
	j.ctx, j.run, j.err = ctx, run, nil
	if fallback != nil {
		wait := stallTime
		if w.locked.Load() {
			wait = 0
		}
		j.stalled.Reset(wait)
	}
	queue := w.Jobs
	for {
		select {
		case queue <- j:
			queue = nil // it is queued
		case err := <-j.done:
			j.ctx, j.run = nil, nil
			j.stalled.Stop()
			jobs.Put(j)                                                    // the writer has finished with it
			if ended := ctx.Err(); ended != nil && errors.Is(err, ended) { // the writer noticed it first
				return contextEnded(w.path, err, w.locked.Load())
			}
			return explain(w.path, err)
		case <-j.stalled.C:
			if fallback() {
				return nil
			}
		case <-ctx.Done():
			return contextEnded(w.path, ctx.Err(), w.locked.Load())
		case <-w.exited:
			select { // the writer may have run it just before it stopped
			case err := <-j.done:
				return explain(w.path, err)
			default:
				return greylist.ErrClosed
			}
		}
	}
}

// pause calls f between two transactions. It returns after that, or when the context ends or
// the writer closes.
func (w *writer) pause(ctx context.Context, f func()) {
	done := make(chan struct{})
	select {
	case w.pauses <- func() { defer close(done); f() }:
		<-done
	case <-ctx.Done():
	case <-w.Closing:
	}
}

// stop completes the queued jobs, and takes no more.
func (w *writer) stop() {
	close(w.Closing)
	timer := time.AfterFunc(lockTimeout, func() { close(w.giveUpLocks) })
	defer timer.Stop()
	<-w.exited
}

func (w *writer) loop() {
	defer close(w.exited)
	defer w.stopCheck()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	batch := make([]*job, 0, maxBatch)
	for {
		select {
		case j := <-w.Jobs:
			w.commit(append(batch[:0], j), true)
			clear(batch[:cap(batch)])
		case f := <-w.pauses:
			f()
		case <-tick.C:
			w.recoverIfNeeded()
		case err := <-w.check.result():
			w.checked(err)
		case <-w.Closing:
			for batch = w.Fill(batch[:0], false); len(batch) > 0; batch = w.Fill(batch[:0], false) {
				w.commit(batch, false)
			}
			return
		}
	}
}
