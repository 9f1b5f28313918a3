package sqlstore

import (
	"context"
	"sync"

	"greyglass/greylist"
)

// Update implements [greylist.Memory]. The change is never called after Update
// has returned.
func (s *store) Update(ctx context.Context, t greylist.Triplet, change greylist.Change) error {
	u := &update{key: keyOf(t), triplet: t, change: change}
	err := s.writer.do(ctx, u.run)
	if err != nil {
		u.abandon()
	}
	return err
}

// update is the job of [store.Update].
type update struct {
	key     key
	triplet greylist.Triplet

	mu     sync.Mutex
	change greylist.Change // nil once its caller has gone
}

func (u *update) run(tx *tx) error {
	remembered, err := tx.get(u.key)
	if err != nil {
		return err
	}
	remember, write := u.decide(remembered)
	if !write {
		return nil
	}
	return tx.put(u.key, u.triplet, remember)
}

func (u *update) decide(remembered *greylist.Entry) (remember greylist.Entry, write bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.change == nil {
		return greylist.Entry{}, false
	}
	return u.change(remembered)
}

// abandon waits for a change that is being called, which does not block.
func (u *update) abandon() {
	u.mu.Lock()
	u.change = nil
	u.mu.Unlock()
}

// Forget implements [greylist.Store].
func (s *store) Forget(ctx context.Context, t greylist.Triplet) (bool, error) {
	k := keyOf(t)
	var removed int64
	err := s.writer.do(ctx, func(tx *tx) (err error) {
		removed, err = tx.change(tx.removeStmt, k[:])
		return err
	})
	if err != nil {
		return false, err
	}
	return removed > 0, nil
}
