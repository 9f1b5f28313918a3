package postgres

import (
	"context"
	"time"

	"greyglass/sqlstore/backend"
)

const (
	// maxBatch bounds how many updates share a round trip.
	maxBatch = 256

	// maxWait bounds how long a worker waits for the server.
	maxWait = 10 * time.Second

	// minWait is the shortest time after which the server counts as unavailable, however
	// short store.timeout is.
	minWait = 2 * lockTimeout
)

// worker processes all queued updates in batches, on its own connection, so that they
// share round trips and commits. There are two: one reads, the other writes. A second reader
// would make the batches smaller, and cost more than it saves.
type worker struct {
	backend.Queue[*update]
	store   *Store
	health  *health
	process func(context.Context, []*update) // answers each
	stopped chan struct{}                    // closed: no more updates are queued
	exited  chan struct{}

	conn   *session // nil: none
	epoch  int64    // of the store, when conn was made
	worked time.Time
}

func startWorker(s *Store, h *health, process func(context.Context, []*update)) *worker {
	w := &worker{Queue: backend.NewQueue[*update](maxBatch, s.closing), store: s, health: h, process: process,
		stopped: make(chan struct{}), exited: make(chan struct{})}
	go w.loop()
	return w
}

// stop ends the worker. No update may be queued any more.
func (w *worker) stop() {
	close(w.stopped)
	<-w.exited
}

// do queues the update, and returns its answer.
func (w *worker) do(u *update) error {
	if f := w.health.fault(); f != nil {
		return f
	}
	queue := w.Jobs
	for {
		select {
		case queue <- u:
			queue = nil
		case err := <-u.done:
			return err
		case <-u.ctx.Done():
			return w.store.server.contextEnded(u.ctx.Err(), u.retried)
		}
	}
}

func (w *worker) loop() {
	defer close(w.exited)
	defer w.disconnect()
	for {
		select {
		case u := <-w.Jobs:
			batch := w.Fill([]*update{u}, true)
			w.Began(len(batch))
			w.run(batch)
		case <-w.stopped:
			return
		}
	}
}

// run processes those of a batch whose callers still wait.
func (w *worker) run(batch []*update) {
	waiting := batch[:0]
	for _, u := range batch {
		if err := u.ctx.Err(); err != nil {
			u.done <- w.store.server.contextEnded(err, u.retried)
			continue
		}
		waiting = append(waiting, u)
	}
	if f := w.health.fault(); f != nil {
		answer(waiting, f)
		return
	}
	if len(waiting) == 0 {
		return
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadlineOf(waiting))
	defer cancel()
	w.process(ctx, waiting)
}

// answer answers all updates with err.
func answer(batch []*update, err error) {
	for _, u := range batch {
		u.done <- err
	}
}

// deadlineOf returns the latest deadline of the batch, and at least minWait from now, so
// that the server is not blamed for time in the queue.
func deadlineOf(batch []*update) time.Time {
	least, most := time.Now().Add(minWait), time.Now().Add(maxWait)
	last := least
	for _, u := range batch {
		deadline, ok := u.ctx.Deadline()
		if !ok || deadline.After(most) {
			return most
		}
		if deadline.After(last) {
			last = deadline
		}
	}
	return last
}

// failed answers with an error of the server, and begins an outage.
func (w *worker) failed(batch []*update, err error) {
	w.store.counters.Failed.Add(1)
	fault := w.store.server.fault(err)
	if w.conn == nil || w.epoch == w.store.epoch.Load() { // and not that of a connection that is given up anyhow
		w.store.refused(err)
		w.health.failed(fault)
	}
	if isReadOnly(err) { // and stays so, on this connection
		w.disconnect()
	}
	answer(batch, fault)
}

// withReconnect sends a request that may be sent twice: it replaces a dead connection, as after
// a restart of the server, once.
func (w *worker) withReconnect(ctx context.Context, ask func(conn *session) error) error {
	reused := w.conn
	err := w.onConnection(ctx, ask)
	if err != nil && reused != nil && reused.IsClosed() && ctx.Err() == nil {
		err = w.onConnection(ctx, ask)
	}
	return err
}

func (w *worker) onConnection(ctx context.Context, ask func(conn *session) error) error {
	conn, err := w.connection(ctx)
	if err == nil {
		err = ask(conn)
	}
	if err == nil {
		w.worked = time.Now()
	}
	return err
}

// connection returns the worker's connection to the server.
func (w *worker) connection(ctx context.Context) (*session, error) {
	epoch := w.store.epoch.Load()
	if w.conn != nil && (w.conn.IsClosed() || w.epoch != epoch) {
		w.disconnect()
	}
	if w.conn == nil {
		conn, err := w.store.server.connect(ctx)
		if err != nil {
			return nil, err
		}
		w.conn, w.epoch = conn, epoch
	}
	return w.conn, nil
}

func (w *worker) disconnect() {
	if w.conn != nil {
		closeSoon(w.conn.Conn)
		w.conn = nil
	}
}
