package greylist

import (
	"context"
	"sync"
)

// memory is a Memory in memory, which can be made to fail.
type memory struct {
	mu      sync.Mutex
	entries map[Triplet]Entry
	updates int // calls of Update
	writes  int // that wrote

	// fail, if it is set, is asked first; its error is the answer.
	fail func(context.Context) error
	ping func() error // of Ping alone
}

func (m *memory) Update(ctx context.Context, t Triplet, change Change) error {
	if m.fail != nil {
		if err := m.fail(ctx); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.updates++
	remember, write := change(m.find(t))
	if write {
		if m.entries == nil {
			m.entries = make(map[Triplet]Entry)
		}
		m.entries[t] = remember
		m.writes++
	}
	return nil
}

func (m *memory) Get(ctx context.Context, t Triplet) (*Entry, error) {
	if m.fail != nil {
		if err := m.fail(ctx); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(t), nil
}

func (m *memory) Ping(context.Context) error {
	if m.ping != nil {
		return m.ping()
	}
	return nil
}

func (m *memory) find(t Triplet) *Entry {
	e, ok := m.entries[t]
	if !ok {
		return nil
	}
	return &e
}
