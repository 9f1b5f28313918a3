package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

const (
	// An update that conflicted with another program's is retried, first after retryFirst,
	// then with backoff, for retryLimit at most.
	retryFirst = 3 * time.Millisecond
	retryMost  = 50 * time.Millisecond
	retryLimit = 10 * time.Second
)

var (
	// errNeedsWrite is the reader's answer to an update that has something to write.
	errNeedsWrite = errors.New("has something to write")
	// errRetry is a worker's answer to an update that conflicted with another program's.
	errRetry = errors.New("to be tried again")
	// errLocked is the error of an update whose conflict lasted too long.
	errLocked = errors.New("locked by another program")
)

// update is an update in progress, or with want the look-up of a row that is not a
// triplet's. It has one owner at a time: its caller, or a worker.
type update struct {
	ctx      context.Context
	triplets []greylist.Triplet
	keys     []backend.Key     // of the triplets
	found    []*greylist.Entry // the entry of each, as the reader found it; nil: none
	retried  bool              // it conflicted with another program's update
	done     chan error        // buffered, so that a missing caller blocks no worker

	want, take func(*rowsRead) // note what to look up, and take what was found; nil: nothing

	mu       sync.Mutex
	change   greylist.Change   // nil once the caller has returned
	decision greylist.Decision // the last one
}

// ask calls the change, unless its caller has returned.
func (u *update) ask(found []*greylist.Entry) (made *greylist.Decision, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.change == nil {
		return nil, context.Canceled
	}
	defer backend.Rescue(&err)
	u.decision = u.change(found)
	return &u.decision, nil
}

// abandon makes sure that the change is not called any more.
func (u *update) abandon() {
	u.mu.Lock()
	u.change = nil
	u.mu.Unlock()
}

// Update implements [greylist.Memory]. The change is never called after Update
// has returned.
func (s *Store) Update(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (greylist.Decision, error) {
	u := &update{ctx: ctx, triplets: triplets, change: change}
	if err := s.runUpdate(u); err != nil {
		return greylist.Decision{}, err
	}
	return u.decision, nil
}

// runUpdate runs an update, and retries it after conflicts.
func (s *Store) runUpdate(u *update) error {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	if !s.begin() {
		return greylist.ErrClosed
	}
	defer s.updates.Done()
	defer u.abandon()
	u.done = make(chan error, 1)
	for _, t := range u.triplets {
		u.keys = append(u.keys, backend.KeyOf(t))
	}
	limit := time.After(retryLimit)
	for pause := retryFirst; ; pause = min(2*pause, retryMost) {
		err := s.reader.do(u)
		if errors.Is(err, errNeedsWrite) {
			err = s.writer.do(u)
		}
		if !errors.Is(err, errRetry) {
			return err
		}
		u.retried = true
		select {
		case <-time.After(rand.N(pause)):
		case <-u.ctx.Done():
			return s.server.contextEnded(u.ctx.Err(), true)
		case <-s.closing:
			return greylist.ErrClosed
		case <-limit:
			return s.server.fault(errLocked)
		}
	}
}
