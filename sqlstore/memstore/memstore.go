// Package memstore is a store in memory, for replay and for tests.
package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// Store is a [greylist.Store] in memory.
type Store struct {
	*memory
	closed atomic.Bool
}

// New returns an empty store.
func New() *Store { return &Store{memory: newMemory()} }

// memory is the content of one store, or of several that share it.
type memory struct {
	lock  chan struct{} // a mutex as a channel, so that no caller waits longer than its context
	byKey map[greylist.Triplet]*row
	order []*row // by id, with some that were removed
	last  int64  // id

	clients        map[string]greylist.ClientEntry
	correspondents map[greylist.Correspondent]greylist.CorrespondentEntry
	expected       map[expectedKey]greylist.Expectation
	answered       map[greylist.Answered]int64 // Count is zero in the key
	recorded       map[string]int64            // the last batch of the history, by daemon
	returned       map[greylist.Returned]int64
	used           map[greylist.Used]int64 // At is zero in the key
	commands       []greylist.Command
}

// row is a record with its id.
type row struct {
	id      int64
	removed bool
	greylist.Record
}

func newMemory() *memory {
	return &memory{
		lock:           make(chan struct{}, 1),
		byKey:          make(map[greylist.Triplet]*row),
		clients:        make(map[string]greylist.ClientEntry),
		correspondents: make(map[greylist.Correspondent]greylist.CorrespondentEntry),
		expected:       make(map[expectedKey]greylist.Expectation),
		answered:       make(map[greylist.Answered]int64),
		recorded:       make(map[string]int64),
		returned:       make(map[greylist.Returned]int64),
		used:           make(map[greylist.Used]int64),
	}
}

// use calls f with the lock held.
func (s *Store) use(ctx context.Context, f func()) error {
	if s.closed.Load() {
		return greylist.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.lock <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.lock }()
	if s.closed.Load() {
		return greylist.ErrClosed
	}
	f()
	return nil
}

// Update implements [greylist.Memory].
func (s *Store) Update(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (d greylist.Decision, err error) {
	var panicked error
	err = s.use(ctx, func() {
		defer backend.Rescue(&panicked)
		var space [4]*greylist.Entry
		remembered := space[:0]
		for _, t := range triplets {
			remembered = append(remembered, s.find(t))
		}
		d = change(remembered)
		for i, e := range d.Writes() {
			s.put(triplets[i], e)
		}
		if d.Client != nil {
			s.putClient(*d.Client)
		}
		if d.Correspondents != nil {
			s.noteCorrespondents(*d.Correspondents)
		}
	})
	if err == nil {
		err = panicked
	}
	if err != nil {
		return greylist.Decision{}, err
	}
	return d, nil
}

// find returns a copy of the entry of a triplet, or nil.
func (m *memory) find(t greylist.Triplet) *greylist.Entry {
	r := m.byKey[t]
	if r == nil {
		return nil
	}
	e := r.Entry
	return &e
}

// put writes the row of a triplet.
func (m *memory) put(t greylist.Triplet, e greylist.Entry) {
	if r := m.byKey[t]; r != nil {
		r.Entry = e
		return
	}
	m.last++
	r := &row{id: m.last, Record: greylist.Record{Triplet: t, Entry: e}}
	m.byKey[t] = r
	m.order = append(m.order, r)
}

// remove removes a row. Its place in order stays until half of the places are empty.
func (m *memory) remove(r *row) {
	delete(m.byKey, r.Triplet)
	r.removed = true
	if len(m.order) > 2*len(m.byKey)+listPage {
		m.order = slices.DeleteFunc(m.order, func(r *row) bool { return r.removed })
	}
}

// behind returns the places behind an id.
func (m *memory) behind(id int64) []*row {
	i, _ := slices.BinarySearchFunc(m.order, id+1, func(r *row, id int64) int { return cmp.Compare(r.id, id) })
	return m.order[i:]
}

// Get implements [greylist.Memory].
func (s *Store) Get(ctx context.Context, t greylist.Triplet) (e *greylist.Entry, err error) {
	err = s.use(ctx, func() { e = s.find(t) })
	return e, err
}

// Ping implements [greylist.Memory].
func (s *Store) Ping(ctx context.Context) error { return s.use(ctx, func() {}) }

// Forget implements [greylist.Store].
func (s *Store) Forget(ctx context.Context, t greylist.Triplet) (known bool, err error) {
	err = s.use(ctx, func() {
		r := s.byKey[t]
		if known = r != nil; known {
			s.remove(r)
		}
	})
	return known, err
}

// Stats implements [greylist.Store].
func (s *Store) Stats(ctx context.Context) (st greylist.Stats, err error) {
	err = s.use(ctx, func() {
		st.Clients, st.Correspondents = int64(len(s.clients)), int64(len(s.correspondents))
		for _, r := range s.byKey {
			st.Deferred += r.Deferred
			st.Accepted += r.Accepted
			if r.Passed() {
				st.Passed++
				st.LatestPassed = max(st.LatestPassed, r.PassedAt)
				continue
			}
			if st.Waiting++; st.Waiting == 1 || r.FirstSeen < st.OldestWaiting {
				st.OldestWaiting = r.FirstSeen
			}
		}
	})
	return st, err
}

// Backup implements [greylist.Store]: there is no file.
func (s *Store) Backup(ctx context.Context, _ string, _ func(done, total int64)) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	return fmt.Errorf("%w: a store in memory has no backup", backend.ErrUnsupported)
}

// Close implements [greylist.Store].
func (s *Store) Close() error {
	s.closed.Store(true)
	return nil
}
