// Package faulty is the store of tests in which stores fail.
package faulty

import (
	"cmp"
	"context"
	"sync"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/memstore"
)

// Store is a store in memory that fails, or waits, when a test says so.
type Store struct {
	*memstore.Store

	mu              sync.Mutex
	before          func(context.Context) error
	err             error
	updates, writes int
}

// New returns an empty store.
func New() *Store { return &Store{Store: memstore.New()} }

// Fail makes every call fail with an error, until it is told nil.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Before calls a function before every method of a [greylist.Memory] but Ping; its error is
// the answer.
func (s *Store) Before(do func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = do
}

// Hold makes updates wait: each is told on the first channel, and goes on once
// the second is closed, or its context ends.
func (s *Store) Hold() (began <-chan struct{}, release chan struct{}) {
	told := make(chan struct{}, 100)
	release = make(chan struct{})
	s.Before(func(ctx context.Context) error {
		told <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	})
	return told, release
}

// Updates returns how many calls of Update there were, and how many rows they wrote.
func (s *Store) Updates() (calls, rows int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.updates, s.writes
}

// Put remembers an entry, whatever was remembered before.
func (s *Store) Put(t testing.TB, tr greylist.Triplet, e greylist.Entry) {
	t.Helper()
	_, err := s.Store.Update(t.Context(), []greylist.Triplet{tr}, func([]*greylist.Entry) greylist.Decision {
		return greylist.Decision{Remember: e}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Rows returns all that is remembered.
func (s *Store) Rows(t testing.TB) map[greylist.Triplet]greylist.Entry {
	t.Helper()
	rows := make(map[greylist.Triplet]greylist.Entry)
	for r, err := range s.Store.List(t.Context(), greylist.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		rows[r.Triplet] = r.Entry
	}
	return rows
}

// Clear forgets all that is remembered.
func (s *Store) Clear(t testing.TB) {
	t.Helper()
	for tr := range s.Rows(t) {
		if _, err := s.Forget(t.Context(), tr); err != nil {
			t.Fatal(err)
		}
	}
}

// Update implements [greylist.Memory].
func (s *Store) Update(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (greylist.Decision, error) {
	if err := s.fault(ctx); err != nil {
		return greylist.Decision{}, err
	}
	d, err := s.Store.Update(ctx, triplets, change)
	if err != nil {
		return d, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.updates++
	for range d.Writes() {
		s.writes++
	}
	if d.Client != nil {
		s.writes++
	}
	if d.Correspondents != nil {
		s.writes += len(d.Correspondents.Records)
	}
	return d, nil
}

// Get implements [greylist.Memory].
func (s *Store) Get(ctx context.Context, tr greylist.Triplet) (*greylist.Entry, error) {
	if err := s.fault(ctx); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, tr)
}

// Client implements [greylist.Memory].
func (s *Store) Client(ctx context.Context, client string) (*greylist.ClientEntry, error) {
	if err := s.fault(ctx); err != nil {
		return nil, err
	}
	return s.Store.Client(ctx, client)
}

// Correspondent implements [greylist.Memory].
func (s *Store) Correspondent(ctx context.Context, c greylist.Correspondent) (*greylist.CorrespondentEntry, error) {
	if err := s.fault(ctx); err != nil {
		return nil, err
	}
	return s.Store.Correspondent(ctx, c)
}

// Expected implements [greylist.Memory].
func (s *Store) Expected(ctx context.Context) ([]greylist.Expectation, error) {
	if err := s.fault(ctx); err != nil {
		return nil, err
	}
	return s.Store.Expected(ctx)
}

// UseExpected implements [greylist.Memory].
func (s *Store) UseExpected(ctx context.Context, e greylist.Expectation, now int64) (bool, error) {
	if err := s.fault(ctx); err != nil {
		return false, err
	}
	return s.Store.UseExpected(ctx, e, now)
}

// fault calls what was set to come before, and returns the error that is due.
func (s *Store) fault(ctx context.Context) error {
	s.mu.Lock()
	before, err := s.before, s.err
	s.mu.Unlock()
	if before != nil && err == nil {
		return before(ctx)
	}
	return err
}

func (s *Store) failing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Ping implements [greylist.Memory].
func (s *Store) Ping(ctx context.Context) error { return cmp.Or(s.failing(), s.Store.Ping(ctx)) }

// LogCommands implements [greylist.Store].
func (s *Store) LogCommands(ctx context.Context, log func(greylist.Command)) error {
	if err := s.failing(); err != nil {
		return err
	}
	return s.Store.LogCommands(ctx, log)
}

// Stats implements [greylist.Store].
func (s *Store) Stats(ctx context.Context) (greylist.Stats, error) {
	stats, err := s.Store.Stats(ctx)
	return stats, cmp.Or(s.failing(), err)
}
