package memstore

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"greyglass/greylist"
)

// expectedKey names an expectation.
type expectedKey struct{ recipient, sender string }

// Expected implements [greylist.Memory].
func (s *Store) Expected(ctx context.Context) (all []greylist.Expectation, err error) {
	err = s.use(ctx, func() {
		all = slices.SortedFunc(maps.Values(s.expected), func(a, b greylist.Expectation) int {
			return cmp.Or(cmp.Compare(a.Recipient, b.Recipient), cmp.Compare(a.Sender, b.Sender))
		})
	})
	return all, err
}

// UseExpected implements [greylist.Memory].
func (s *Store) UseExpected(ctx context.Context, e greylist.Expectation, now int64) (used bool, err error) {
	err = s.use(ctx, func() {
		key := expectedKey{e.Recipient, e.Sender}
		if there := s.expected[key]; there.Once && there.Open(now) {
			there.UsedAt, used = now, true
			s.expected[key] = there
		}
	})
	return used, err
}

// Expect implements [greylist.Store].
func (s *Store) Expect(ctx context.Context, e greylist.Expectation) error {
	many := false
	err := s.use(ctx, func() {
		s.removeEnded(e.Since)
		key := expectedKey{e.Recipient, e.Sender}
		if _, there := s.expected[key]; !there && len(s.expected) >= greylist.MaxExpected {
			many = true
			return
		}
		e.UsedAt = 0
		s.expected[key] = e
	})
	if many {
		return greylist.ErrManyExpected
	}
	return err
}

// CancelExpected implements [greylist.Store].
func (s *Store) CancelExpected(ctx context.Context, recipient, sender string) (bool, error) {
	return forget(ctx, s, s.expected, expectedKey{recipient, sender})
}

// ExpireExpected implements [greylist.Store].
func (s *Store) ExpireExpected(ctx context.Context, now int64) (removed int, err error) {
	err = s.use(ctx, func() { removed = s.removeEnded(now) })
	return removed, err
}

// removeEnded removes what has ended, and returns how many.
func (m *memory) removeEnded(now int64) int {
	before := len(m.expected)
	maps.DeleteFunc(m.expected, func(_ expectedKey, e greylist.Expectation) bool { return e.Until <= now })
	return before - len(m.expected)
}
