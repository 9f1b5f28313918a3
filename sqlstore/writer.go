package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"greyglass/greylist"
)

const (
	// maxBatch bounds how many jobs share a transaction, and with it how long
	// the first of them waits for the last.
	maxBatch = 512

	// maxQueue bounds how many jobs wait behind a batch; further callers wait
	// to hand theirs in.
	maxQueue = 2 * maxBatch
)

// writer makes all changes, on one connection. It takes all jobs that are
// waiting and runs them in one transaction; those that come meanwhile share
// the next. So the cost of making a commit durable is shared by as many
// callers as there are, and an idle writer commits at once.
type writer struct {
	conn    *connection
	tx      *tx
	log     *slog.Logger
	queue   chan *job
	pauses  chan func()
	closing chan struct{} // closed: no more jobs are taken in
	exited  chan struct{} // closed: no more jobs are run

	wrote atomic.Bool // something was committed; reset by whoever makes checkpoints
}

// job is what one caller wants done in a transaction.
type job struct {
	ctx  context.Context
	run  func(*tx) error // may be called again, in a new transaction
	err  error           // of the last run
	done chan error      // holds one, so that a caller who has gone stops nobody
}

func startWriter(conn *connection, tx *tx, log *slog.Logger) *writer {
	w := &writer{
		conn:    conn,
		tx:      tx,
		log:     log,
		queue:   make(chan *job, maxQueue),
		pauses:  make(chan func()),
		closing: make(chan struct{}),
		exited:  make(chan struct{}),
	}
	go w.loop()
	return w
}

// do has run called inside a transaction, and returns nil once that is
// committed. If the context ends first, it returns the context's error at
// once; the job may then be done or not, and run may still be going on.
func (w *writer) do(ctx context.Context, run func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-w.closing:
		return greylist.ErrClosed
	default:
	}
	j := &job{ctx: ctx, run: run, done: make(chan error, 1)}
	select {
	case w.queue <- j:
	case <-w.closing:
		return greylist.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-w.exited:
	}
	select { // what was handed in just before the writer's last look is done
	case err := <-j.done:
		return err
	default:
		return greylist.ErrClosed
	}
}

// pause calls f between two transactions, and returns when it has been called
// or the writer is closing.
func (w *writer) pause(f func()) {
	done := make(chan struct{})
	select {
	case w.pauses <- func() { defer close(done); f() }:
		<-done
	case <-w.closing:
	}
}

// stop completes the jobs that were handed in, and takes no more.
func (w *writer) stop() {
	close(w.closing)
	<-w.exited
}

// close closes the connection of a writer that was stopped.
func (w *writer) close() error { return errors.Join(w.tx.close(), w.conn.Close()) }

func (w *writer) loop() {
	defer close(w.exited)
	batch := make([]*job, 0, maxBatch)
	for {
		select {
		case j := <-w.queue:
			batch = w.gather(append(batch[:0], j))
			w.commit(batch)
			clear(batch)
		case f := <-w.pauses:
			f()
		case <-w.closing:
			for batch = w.gather(batch[:0]); len(batch) > 0; batch = w.gather(batch[:0]) {
				w.commit(batch)
			}
			return
		}
	}
}

// gather adds the jobs that are waiting.
func (w *writer) gather(batch []*job) []*job {
	for len(batch) < maxBatch {
		select {
		case j := <-w.queue:
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// commit does the jobs in one transaction. If any of them fails, each is done
// once more in one of its own, so that it harms no other.
func (w *writer) commit(batch []*job) {
	batch = w.begin(batch)
	if len(batch) == 0 {
		return
	}
	err := w.runAll(batch)
	switch {
	case err == nil:
		for _, j := range batch {
			j.done <- j.err
		}
	case len(batch) == 1:
		if p, ok := err.(*panicError); ok {
			w.log.Error("a change of a triplet panicked", "panic", p.value, "stack", p.stack)
		}
		batch[0].done <- err
	default:
		for i := range batch {
			w.commit(batch[i : i+1 : i+1])
		}
	}
}

// begin begins a transaction, however long another program holds the lock, as
// long as any caller still waits. It returns the jobs that are still wanted;
// if there are none, no transaction was begun.
func (w *writer) begin(batch []*job) []*job {
	var locked time.Time
	for {
		if batch = stillWanted(batch); len(batch) == 0 {
			return nil
		}
		err := w.tx.begin()
		if err == nil {
			break
		}
		if !isBusy(err) {
			for _, j := range batch {
				j.done <- err
			}
			return nil
		}
		if locked.IsZero() {
			locked = time.Now()
			w.log.Warn("the database is locked by another program, waiting")
		}
	}
	if !locked.IsZero() {
		w.log.Info("the database is free again", "waited", time.Since(locked))
	}
	return batch
}

// stillWanted drops the jobs whose context has ended.
func stillWanted(batch []*job) []*job {
	wanted := batch[:0]
	for _, j := range batch {
		if err := j.ctx.Err(); err != nil {
			j.done <- err
			continue
		}
		wanted = append(wanted, j)
	}
	return wanted
}

// runAll runs the jobs in the transaction that was begun, and commits it, or
// rolls it back if any of them fails.
func (w *writer) runAll(batch []*job) error {
	err := func() error {
		for _, j := range batch {
			if j.err = j.ctx.Err(); j.err != nil {
				continue // its caller has gone, and is not told otherwise
			}
			if err := runSafely(j, w.tx); err != nil {
				return err
			}
		}
		return w.tx.commit()
	}()
	if err != nil {
		w.tx.rollback()
		return err
	}
	if w.tx.wrote {
		w.wrote.Store(true)
	}
	return nil
}

func runSafely(j *job, tx *tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: string(debug.Stack())}
		}
	}()
	return j.run(tx)
}

// panicError is the error of a job that panicked. Its text is one line.
type panicError struct {
	value any
	stack string
}

func (p *panicError) Error() string { return fmt.Sprintf("sqlstore: panic: %v", p.value) }
