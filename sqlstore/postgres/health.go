package postgres

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"greyglass/greylist"
)

const (
	// The delay before the first health check of an unavailable server; it then grows.
	checkFirst = 50 * time.Millisecond
	checkMost  = time.Second

	// checkTimeout bounds one health check.
	checkTimeout = 5 * time.Second

	// After a successful health check, requests are sent on trial. Without requests, the
	// outage ends after quietFirst; each trial that failed doubles that time, up to
	// quietMost.
	quietFirst = 2 * time.Second
	quietMost  = 10 * time.Minute
)

// health is whether the server can read, or can write. During an outage, requests fail at
// once, and a goroutine checks with backoff. A health check may succeed where requests
// fail, as on a full disk: so only a request ends the outage and resets the backoff.
type health struct {
	check   func(context.Context) error
	enough  bool // a successful check ends the outage
	now     atomic.Pointer[outage]
	changed chan struct{} // holds a value when an outage has begun
	errors  atomic.Int32  // since the last successful request
	trials  atomic.Int32  // of them, those of requests on trial
}

// outage is the present outage.
type outage struct {
	cause *greylist.Fault
	trial time.Time // since when requests are sent on trial; zero: they fail at once
}

func newHealth(check func(context.Context) error, enough bool) *health {
	return &health{check: check, enough: enough, changed: make(chan struct{}, 1)}
}

// fault returns why requests fail at once; nil if they are sent.
func (h *health) fault() *greylist.Fault {
	if o := h.now.Load(); o != nil && o.trial.IsZero() {
		return o.cause
	}
	return nil
}

// cause returns the cause of the outage; nil if there is none.
func (h *health) cause() *greylist.Fault {
	if o := h.now.Load(); o != nil {
		return o.cause
	}
	return nil
}

// failed notes that a request failed.
func (h *health) failed(cause *greylist.Fault) {
	h.errors.Add(1)
	if o := h.now.Swap(&outage{cause: cause}); o != nil && !o.trial.IsZero() {
		h.trials.Add(1)
	}
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// succeeded notes that a request succeeded, which ends an outage.
func (h *health) succeeded() {
	if h.now.Load() != nil {
		h.now.Store(nil)
	}
	if h.errors.Load() != 0 {
		h.errors.Store(0)
		h.trials.Store(0)
	}
}

// run checks during outages, until the context ends.
func (h *health) run(ctx context.Context, fault func(error) *greylist.Fault) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.changed:
		}
		for {
			wait := min(checkFirst<<min(h.errors.Load(), 8), checkMost)
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait/2 + rand.N(wait)): // jitter, for many daemons
			}
			o := h.now.Load()
			if o == nil {
				break
			}
			h.now.CompareAndSwap(o, h.next(ctx, o, fault))
		}
	}
}

// next returns the next state of an outage without a successful request.
func (h *health) next(ctx context.Context, o *outage, fault func(error) *greylist.Fault) *outage {
	if !o.trial.IsZero() {
		if time.Since(o.trial) < min(quietFirst<<min(h.trials.Load(), 16), quietMost) {
			return o
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	switch err := h.check(ctx); {
	case err != nil:
		h.errors.Add(1)
		return &outage{cause: fault(err)}
	case h.enough:
		h.errors.Store(0)
		return nil
	}
	return &outage{cause: o.cause, trial: time.Now()}
}

// startChecks starts the goroutines for health checks and for the clocks.
func (s *Store) startChecks() {
	ctx, cancel := context.WithCancel(context.Background())
	s.checks.Go(func() {
		<-s.closing
		cancel()
	})
	for _, h := range []*health{s.reads, s.writes} {
		s.checks.Go(func() { h.run(ctx, s.server.fault) })
	}
	s.checks.Go(func() { s.compareClocks(ctx) })
}

// checkReads connects, prepares the database if needed, and reads.
func (s *Store) checkReads(ctx context.Context) error {
	return s.checkBy(ctx, func(conn *session) error {
		_, err := conn.Exec(ctx, `SELECT FROM triplet LIMIT 1`)
		return err
	})
}

// checkWrites also inserts a row into the table of triplets, removes it, and commits. The
// row has a short key, which no triplet has.
func (s *Store) checkWrites(ctx context.Context) error {
	return s.checkBy(ctx, func(conn *session) error {
		key := rand.Uint64()
		b := conn.pipeline()
		b.Queue(`UPDATE greyglass SET checked = now()`)
		b.Queue(`INSERT INTO triplet (key, client, sender, recipient, first_seen, last_seen, deferred, accepted)
			VALUES (int8send($1), '', '', '', 0, 0, 0, 0)`, int64(key>>1))
		b.Queue(`DELETE FROM triplet WHERE key = int8send($1)`, int64(key>>1))
		return conn.send(ctx, b)
	})
}

func (s *Store) checkBy(ctx context.Context, ask func(*session) error) error {
	conn, err := s.server.connect(ctx)
	if err != nil {
		return err
	}
	defer closeSoon(conn.Conn)
	if err := prepare(ctx, conn.Conn, s.create, s.steps); err != nil {
		return err
	}
	if err := ask(conn); err != nil {
		return err
	}
	if old := s.origin.Swap(&conn.origin); old == nil || *old != conn.origin {
		s.epoch.Add(1) // before any new request
	}
	return nil
}

// refused notes that a server is read-only: the next one that takes writes begins a new
// epoch, even if it is the same server.
func (s *Store) refused(err error) {
	if isReadOnly(err) {
		s.origin.Store(nil)
	}
}

// Ping implements [greylist.Memory], on a connection of its own.
func (s *Store) Ping(ctx context.Context) error {
	if s.isClosed() {
		return greylist.ErrClosed
	}
	for _, h := range []*health{s.reads, s.writes} {
		if f := h.cause(); f != nil {
			return f
		}
	}
	if err := s.checkWrites(ctx); err != nil {
		return s.Failed(ctx, err)
	}
	return nil
}
