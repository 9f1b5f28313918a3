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
// lock or the storage fails, it is asked what it would do with what the readers
// see: if that is to write nothing, it is done.
func (s *Store) Update(ctx context.Context, t greylist.Triplet, change greylist.Change) error {
	u := &update{key: backend.KeyOf(t), triplet: t, change: change, habit: &s.habit}
	if s.habit.kept.most() {
		if remembered, ok := s.glance(u.key); ok && u.keeps(remembered) {
			return nil
		}
	}
	withoutWriting := func() bool { return s.read(ctx, u) }
	err := s.writer.do(ctx, u.run, withoutWriting)
	if isFault(err) {
		if !errors.Is(err, errSync) { // which leaves what was done committed
			u.undone()
		}
		if withoutWriting() {
			return nil
		}
	}
	if err == nil {
		return nil
	}
	u.abandon()
	return err
}

// glance returns what is remembered under the key, or nil, as [Store.Get] does; and
// false if it can't be seen at once.
func (s *Store) glance(k backend.Key) (remembered *greylist.Entry, ok bool) {
	now := s.writer.now.Load()
	if !now.readable() || s.closed() {
		return nil, false
	}
	return now.db.lookers.find(k)
}

// read does an update that writes nothing, and reports whether it is such a one.
func (s *Store) read(ctx context.Context, u *update) bool {
	if !s.writer.now.Load().readable() {
		return false
	}
	remembered, ok := s.glance(u.key)
	if !ok {
		var err error
		if remembered, err = s.Get(ctx, u.triplet); err != nil {
			return false
		}
	}
	return u.keeps(remembered)
}

// update is the job of [Store.Update].
type update struct {
	key     backend.Key
	triplet greylist.Triplet
	habit   *habit

	mu     sync.Mutex
	change greylist.Change // nil once it is done without writing, or its caller has gone
	asked  bool            // by the writer, whose transaction may be committed by now
}

func (u *update) run(tx *tx) error {
	if u.habit.unseen.most() { // to add it without a look first saves that look
		if remember, write := u.decide(nil); write {
			if added, err := tx.add(u.key, u.triplet, remember); added || err != nil {
				u.habit.note(true, false)
				return err
			}
		}
	}
	remembered, err := tx.get(u.key)
	if err != nil {
		return err
	}
	remember, write := u.decide(remembered)
	u.habit.note(remembered == nil, !write)
	switch {
	case !write:
		return nil
	case remembered == nil:
		_, err = tx.add(u.key, u.triplet, remember)
		return err
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
// remembered, and the writer's transaction may have been committed.
func (u *update) keeps(remembered *greylist.Entry) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.change == nil || u.asked {
		return false
	}
	if _, write := u.change(remembered); write {
		return false
	}
	u.change = nil
	u.habit.note(remembered == nil, true)
	return true
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
