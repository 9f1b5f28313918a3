package sqlite

import (
	"context"
	"errors"
	"sync"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// Update implements [greylist.Memory]. The change is never called after Update
// has returned. Where nothing can be written, because another program holds the
// lock or the storage fails, it is asked what it would do with what can be read:
// if that is to write nothing, it is done.
func (s *Store) Update(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (greylist.Decision, error) {
	u := newUpdate(triplets, change)
	if !s.kept.most() {
		u.unseen = len(triplets) == 1
	} else if s.lookUp(ctx, u) && u.keeps() {
		s.kept.note(true)
		return u.decision, nil
	}
	read := func() bool { return s.read(ctx, u) }
	err := s.writer.do(ctx, u.run, read)
	if isFault(err) {
		u.undone()
		if read() {
			return u.decision, nil
		}
	}
	if err != nil {
		u.abandon()
		return greylist.Decision{}, err
	}
	s.kept.note(u.decision.Keep)
	return u.decision, nil
}

// lookUp looks the triplets up beside the writer, and reports whether something is
// remembered of each.
func (s *Store) lookUp(ctx context.Context, u *update) bool {
	now := s.writer.now.Load()
	if now.err != nil || ctx.Err() != nil || s.closed() {
		return false
	}
	for i, k := range u.keys {
		if u.seen[i] = now.db.lookups.find(k); u.seen[i] == nil {
			return false
		}
	}
	return true
}

// read does an update that writes nothing, and reports whether it is such a one.
func (s *Store) read(ctx context.Context, u *update) bool {
	if now := s.writer.now.Load(); errors.Is(now.err, greylist.ErrDamaged) {
		return false
	}
	for i, t := range u.triplets {
		var err error
		if u.seen[i], err = s.Get(ctx, t); err != nil {
			return false
		}
	}
	return u.keeps()
}

// update is the job of [Store.Update].
type update struct {
	triplets []greylist.Triplet
	keys     []backend.Key
	seen     []*greylist.Entry // what its caller can read of each triplet
	found    []*greylist.Entry // what the writer has found of each, in its transaction
	unseen   bool              // most likely, and alone

	mu       sync.Mutex
	change   greylist.Change // nil once it is done without writing, or its caller has gone
	asked    bool            // by the writer, whose transaction may be committed by now
	decision greylist.Decision

	one struct { // what the slices hold where there is one triplet, as nearly always
		key         [1]backend.Key
		seen, found [1]*greylist.Entry
	}
}

func newUpdate(triplets []greylist.Triplet, change greylist.Change) *update {
	u := &update{triplets: triplets, change: change}
	u.keys, u.seen, u.found = u.one.key[:], u.one.seen[:], u.one.found[:]
	if n := len(triplets); n != 1 {
		u.keys, u.seen, u.found = make([]backend.Key, n), make([]*greylist.Entry, n), make([]*greylist.Entry, n)
	}
	for i := range triplets {
		u.keys[i] = backend.KeyOf(triplets[i])
	}
	return u
}

func (u *update) run(tx *tx) (err error) {
	if u.unseen { // to insert it without a look-up first takes half the time
		u.unseen = false
		if d := u.decide(); !d.Keep {
			if added, err := tx.add(u.keys[0], u.triplets[0], d.Remember); err != nil || added {
				return err
			}
		}
	}
	for i, k := range u.keys {
		if u.found[i], err = tx.get(k); err != nil {
			return err
		}
	}
	d := u.decide()
	for i, e := range d.Writes() {
		if u.found[i] == nil {
			_, err = tx.add(u.keys[i], u.triplets[i], e)
		} else {
			err = tx.set(u.keys[i], e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// decide asks the change about what the writer has found.
func (u *update) decide() greylist.Decision {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.change == nil {
		return greylist.Decision{Keep: true}
	}
	u.asked = true
	u.decision = u.change(u.found)
	return u.decision
}

// keeps asks the change about what its caller can read, and if it writes nothing, is
// done with it. It does not ask once the writer has: what the change has said last
// must be what is remembered, and the writer's transaction may have been committed. A
// change that panics is left to the writer, which reports it.
func (u *update) keeps() (done bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.change == nil || u.asked {
		return false
	}
	var d greylist.Decision
	var err error
	func() {
		defer backend.Rescue(&err)
		d = u.change(u.seen)
		done = d.Keep && len(d.Others) == 0
	}()
	if done {
		u.change, u.decision = nil, d
	}
	return done && err == nil
}

// undone notes that nothing of what the change has said was committed.
func (u *update) undone() {
	u.mu.Lock()
	u.asked = false
	u.mu.Unlock()
}

// abandon waits for a change that is being called, which does not block.
func (u *update) abandon() {
	u.mu.Lock()
	u.change = nil
	u.mu.Unlock()
}

// Forget implements [greylist.Store].
func (s *Store) Forget(ctx context.Context, t greylist.Triplet) (bool, error) {
	k := backend.KeyOf(t)
	var removed int64
	err := s.writer.do(ctx, func(tx *tx) (err error) {
		removed, err = tx.change(tx.removeStmt, k[:])
		tx.rows -= removed
		return err
	}, nil)
	if err != nil {
		return false, err
	}
	return removed > 0, nil
}

// Ping implements [greylist.Memory]. It writes what the database has from its
// creation on.
func (s *Store) Ping(ctx context.Context) error {
	return s.writer.do(ctx, func(tx *tx) error {
		_, err := tx.change(tx.pingStmt)
		tx.wrote = true
		return err
	}, nil)
}
