package judge

import (
	"context"
	"sync"

	"greyglass/greylist"
)

// memory is a Memory in memory, which can be made to fail.
type memory struct {
	mu      sync.Mutex
	entries map[greylist.Triplet]greylist.Entry
	updates int // calls of Update
	writes  int // that wrote

	// fail, if it is set, is asked first; its error is the answer.
	fail func(context.Context) error
	ping func() error // of Ping alone
}

func (m *memory) Update(ctx context.Context, t greylist.Triplet, change greylist.Change) error {
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
			m.entries = make(map[greylist.Triplet]greylist.Entry)
		}
		m.entries[t] = remember
		m.writes++
	}
	return nil
}

func (m *memory) Get(ctx context.Context, t greylist.Triplet) (*greylist.Entry, error) {
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

func (m *memory) find(t greylist.Triplet) *greylist.Entry {
	e, ok := m.entries[t]
	if !ok {
		return nil
	}
	return &e
}
