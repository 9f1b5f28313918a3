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
func (s *Store) Update(ctx context.Context, t greylist.Triplet, change greylist.Change) error {
	u := &update{key: backend.KeyOf(t), triplet: t, change: change}
	if now := s.writer.now.Load(); now.err == nil && ctx.Err() == nil && !s.closed() {
		if remembered := now.db.lookup.find(u.key); remembered != nil && u.keeps(remembered) {
			return nil
		}
	}
	read := func() bool { return s.read(ctx, u) }
	err := s.writer.do(ctx, u.run, read)
	if isFault(err) {
		u.undone()
		if read() {
			return nil
		}
	}
	if err != nil {
		u.abandon()
	}
	return err
}

// read does an update that writes nothing, and reports whether it is such a one.
func (s *Store) read(ctx context.Context, u *update) bool {
	if now := s.writer.now.Load(); errors.Is(now.err, greylist.ErrDamaged) {
		return false
	}
	remembered, err := s.Get(ctx, u.triplet)
	return err == nil && u.keeps(remembered)
}

// update is the job of [Store.Update].
type update struct {
	key     backend.Key
	triplet greylist.Triplet

	mu     sync.Mutex
	change greylist.Change // nil once it is done without writing, or its caller has gone
	asked  bool            // by the writer, whose transaction may be committed by now
}

func (u *update) run(tx *tx) error {
	remembered, err := tx.get(u.key)
	if err != nil {
		return err
	}
	remember, write := u.decide(remembered)
	switch {
	case !write:
		return nil
	case remembered == nil:
		return tx.add(u.key, u.triplet, remember)
	}
	return tx.set(u.key, remember)
}

func (u *update) decide(remembered *greylist.Entry) (remember greylist.Entry, write bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.change == nil {
		return greylist.Entry{}, false
	}
	u.asked = true
	return u.change(remembered)
}

// keeps asks the change, and if it writes nothing, is done with it. It does not
// ask once the writer has: what the change has said last must be what is
// remembered, and the writer's transaction may have been committed. A change that
// panics is left to the writer, which reports it.
func (u *update) keeps(remembered *greylist.Entry) (done bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.change == nil || u.asked {
		return false
	}
	var err error
	func() {
		defer backend.Rescue(&err)
		_, write := u.change(remembered)
		done = !write
	}()
	if done {
		u.change = nil
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
