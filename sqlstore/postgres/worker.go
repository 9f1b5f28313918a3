package postgres

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

const (
	// maxShared bounds how many decisions share a round trip.
	maxShared = 256

	// workPatience bounds how long a worker waits for the server, where its
	// callers would wait longer.
	workPatience = 10 * time.Second

	// leastPatience is how long the server has at least, before it counts as away,
	// however short store.timeout is.
	leastPatience = 2 * lockPatienceServer
)

// worker decides about many triplets at a time, so that round trips and commits
// are shared by as many callers as there are: two workers would share less, and
// cost daemon and server more than callers lose by waiting for one another. So
// only other programs can be in its way.
type worker struct {
	backend.Queue[*decision]
	store  *Store
	exited chan struct{} // closed: nothing more is decided

	conn    *pgx.Conn // nil: none yet
	era     int64     // of the link, when conn was made
	worked  time.Time // when it did last
	resting []*decision
}

// decision is what one caller wants of a triplet.
type decision struct {
	ctx     context.Context
	key     backend.Key
	triplet greylist.Triplet
	done    chan error // holds one, so that a caller who has gone stops nobody

	known // the worker's
	lateness

	mu     sync.Mutex
	change greylist.Change // nil once the caller has gone
	made   greylist.Decision
	one    [1]*greylist.Entry
}

// ask calls the change, if its caller is still there.
func (d *decision) ask(remembered *greylist.Entry) (remember greylist.Entry, write bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.change == nil {
		return greylist.Entry{}, false, context.Canceled
	}
	defer backend.Rescue(&err)
	d.one[0] = remembered
	d.made = d.change(d.one[:])
	return d.made.Remember, !d.made.Keep, nil
}

// abandon waits for a change that is being called, which does not block.
func (d *decision) abandon() {
	d.mu.Lock()
	d.change = nil
	d.mu.Unlock()
}

func startWorker(s *Store) *worker {
	w := &worker{Queue: backend.NewQueue[*decision](maxShared, s.closing), store: s, exited: make(chan struct{})}
	go w.loop()
	return w
}

// Update implements [greylist.Memory]. The change is never called after Update
// has returned.
func (s *Store) Update(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (greylist.Decision, error) {
	if err := ctx.Err(); err != nil {
		return greylist.Decision{}, err
	}
	if s.closed() {
		return greylist.Decision{}, greylist.ErrClosed
	}
	if away := s.link.away.Load(); away != nil && !away.reads {
		return greylist.Decision{}, away.fault
	}
	if len(triplets) != 1 {
		return s.updateSeveral(ctx, triplets, change)
	}
	d := &decision{ctx: ctx, key: backend.KeyOf(triplets[0]), triplet: triplets[0], done: make(chan error, 1), change: change}
	if err := s.worker.do(d); err != nil {
		d.abandon()
		return greylist.Decision{}, err
	}
	return d.made, nil
}

// updateSeveral is Update of several triplets, in a transaction of its own. It is
// tried again where somebody else was the first to remember one of them.
func (s *Store) updateSeveral(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (greylist.Decision, error) {
	for {
		d, done, err := s.trySeveral(ctx, triplets, change)
		if done || err != nil {
			return d, err
		}
	}
}

func (s *Store) trySeveral(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (d greylist.Decision, done bool, err error) {
	tx, err := s.reading.BeginTx(ctx, nil)
	if err != nil {
		return d, false, s.failed(ctx, err)
	}
	defer tx.Rollback()
	keys, found := make([]backend.Key, len(triplets)), make([]*greylist.Entry, len(triplets))
	order := make([]int, len(triplets)) // of the keys, so that nobody waits for one that waits
	for i, t := range triplets {
		keys[i], order[i] = backend.KeyOf(t), i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(keys[a][:], keys[b][:]) })
	for _, i := range order {
		var e greylist.Entry
		err := tx.QueryRowContext(ctx, `SELECT `+backend.EntryColumns+` FROM triplet WHERE key = $1 FOR UPDATE`, keys[i][:]).Scan(backend.EntryFields(&e)...)
		switch {
		case err == nil:
			found[i] = &e
		case !errors.Is(err, sql.ErrNoRows):
			return d, false, s.failed(ctx, err)
		}
	}
	if d, err = rescued(change, found); err != nil {
		return d, false, err
	}
	writes := make([]*greylist.Entry, len(triplets))
	for i, e := range d.Writes() {
		writes[i] = &e
	}
	for _, i := range order {
		e := writes[i]
		if e == nil {
			continue
		}
		statement := `UPDATE triplet SET first_seen = $2, last_seen = $3, passed_at = nullif($4, 0), deferred = $5, accepted = $6 WHERE key = $1`
		arguments := []any{keys[i][:], e.FirstSeen, e.LastSeen, e.PassedAt, e.Deferred, e.Accepted}
		if found[i] == nil {
			statement = `INSERT INTO triplet (key, first_seen, last_seen, passed_at, deferred, accepted, client, sender, recipient)
				VALUES ($1, $2, $3, nullif($4, 0), $5, $6, $7, $8, $9) ON CONFLICT (key) DO NOTHING`
			arguments = append(arguments, triplets[i].Client, triplets[i].Sender, triplets[i].Recipient)
		}
		result, err := tx.ExecContext(ctx, statement, arguments...)
		if err != nil {
			return d, false, s.failed(ctx, err)
		}
		if n, _ := result.RowsAffected(); n == 0 {
			return d, false, nil
		}
	}
	if err := tx.Commit(); err != nil {
		return d, false, s.failed(ctx, err)
	}
	for i := range d.Writes() {
		if found[i] == nil {
			s.counter.rows.Add(1)
		}
	}
	return d, true, nil
}

func rescued(change greylist.Change, found []*greylist.Entry) (d greylist.Decision, err error) {
	defer backend.Rescue(&err)
	return change(found), nil
}

// do hands the decision in, and returns when it is made and committed.
func (w *worker) do(d *decision) error {
	queue := w.Jobs
	for {
		select {
		case queue <- d:
			queue = nil
		case err := <-d.done:
			return err
		case <-d.ctx.Done():
			return w.store.server.lateAnswer(d.ctx.Err(), d.hindered.Load())
		case <-w.exited:
			select { // what was handed in just before the last look is done
			case err := <-d.done:
				return err
			default:
				return greylist.ErrClosed
			}
		}
	}
}

func (w *worker) loop() {
	defer close(w.exited)
	defer w.disconnect()
	var batch []*decision
	for {
		batch = w.rested(batch)
		if len(batch) == 0 {
			select {
			case d := <-w.Jobs:
				batch = append(batch, d)
			case <-w.rest():
				continue
			case <-w.Closing: // those who rest find it closed
				if batch = w.Fill(batch, false); len(batch) == 0 {
					return
				}
			}
		}
		batch = w.Fill(batch, true)
		w.Began(len(batch))
		batch = w.process(batch)
	}
}

// process has those of a batch make a step, and returns those who are to go on at
// once.
func (w *worker) process(batch []*decision) (again []*decision) {
	batch = w.stillThere(batch)
	if len(batch) == 0 {
		return nil
	}
	groups := grouped(batch)
	if away := w.store.link.away.Load(); away != nil && !away.reads {
		answer(groups, away.fault)
		return nil
	}
	t := w.plan(groups)
	if t.empty() {
		return nil
	}
	ctx, cancel := context.WithDeadline(context.Background(), patienceOf(batch))
	defer cancel()
	return w.travel(ctx, &t)
}

// stillThere drops those whose context has ended.
func (w *worker) stillThere(batch []*decision) []*decision {
	there := batch[:0]
	for _, d := range batch {
		if err := d.ctx.Err(); err != nil {
			d.done <- w.store.server.lateAnswer(err, d.hindered.Load())
			continue
		}
		there = append(there, d)
	}
	return there
}

// patienceOf is until when anybody of the batch waits, and a little longer for
// those who have waited for their turn: it is not the server that is late then.
func patienceOf(batch []*decision) time.Time {
	least, most := time.Now().Add(leastPatience), time.Now().Add(workPatience)
	var last time.Time
	for _, d := range batch {
		deadline, ok := d.ctx.Deadline()
		if !ok {
			return most
		}
		if deadline.After(last) {
			last = deadline
		}
	}
	switch {
	case last.After(most):
		return most
	case last.Before(least):
		return least
	}
	return last
}

// fail answers with an error of the server. That is not asked any more until it
// is known to work again; reads says whether it can still be read from.
func (w *worker) fail(groups []*group, err error, reads bool) {
	w.store.counters.Failed.Add(1)
	fault := w.store.server.fault(err)
	if w.conn == nil || w.era == w.store.link.era.Load() { // and not that of a connection which is given up anyhow
		w.store.link.fail(fault, reads)
	}
	if !reads {
		w.disconnect()
	}
	answer(groups, fault)
}

// connection returns the worker's connection to the server.
func (w *worker) connection(ctx context.Context) (*pgx.Conn, error) {
	era := w.store.link.era.Load()
	if w.conn != nil && (w.conn.IsClosed() || w.era != era) {
		w.disconnect()
	}
	if w.conn != nil {
		return w.conn, nil
	}
	conn, err := w.store.server.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := settle(ctx, conn); err != nil {
		closeSoon(conn)
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	w.conn, w.era = conn, era
	return conn, nil
}

func (w *worker) disconnect() {
	if w.conn != nil {
		closeSoon(w.conn)
		w.conn = nil
	}
}
