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

func (m *memory) Update(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (greylist.Decision, error) {
	if m.fail != nil {
		if err := m.fail(ctx); err != nil {
			return greylist.Decision{}, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.updates++
	var remembered []*greylist.Entry
	for _, t := range triplets {
		remembered = append(remembered, m.find(t))
	}
	d := change(remembered)
	for i, e := range d.Writes() {
		if m.entries == nil {
			m.entries = make(map[greylist.Triplet]greylist.Entry)
		}
		m.entries[triplets[i]] = e
		m.writes++
	}
	return d, nil
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
