package forecast

import (
	"context"
	"hash/maphash"
	"math"

	"greyglass/greylist"
	"greyglass/sqlstore/memstore"
)

// memory is a store in memory in which triplets take some 30 octets each, since a month of
// a busy site has a million: it keeps what verdicts depend on, by a hash of 64 bits. All
// else is in the [memstore.Store]. It is not safe for concurrent use.
type memory struct {
	*memstore.Store
	seed     maphash.Seed
	triplets map[uint64]times
}

// times are those of a [greylist.Entry], in Unix seconds. They end in the year 2106.
type times struct{ firstSeen, passedAt uint32 }

func newMemory() *memory {
	return &memory{memstore.New(), maphash.MakeSeed(), make(map[uint64]times)}
}

func (m *memory) key(t greylist.Triplet) uint64 { return maphash.Comparable(m.seed, t) }

// find returns the entry of a triplet, or nil.
func (m *memory) find(t greylist.Triplet) *greylist.Entry {
	at, known := m.triplets[m.key(t)]
	if !known {
		return nil
	}
	e := at.entry()
	return &e
}

func (t times) entry() greylist.Entry {
	return greylist.Entry{FirstSeen: int64(t.firstSeen), LastSeen: int64(max(t.firstSeen, t.passedAt)), PassedAt: int64(t.passedAt)}
}

// Update implements [greylist.Memory].
func (m *memory) Update(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (greylist.Decision, error) {
	var space [4]*greylist.Entry
	remembered := space[:0]
	for _, t := range triplets {
		remembered = append(remembered, m.find(t))
	}
	d := change(remembered)
	for i, e := range d.Writes() {
		m.triplets[m.key(triplets[i])] = times{uint32(e.FirstSeen), uint32(e.PassedAt)}
	}
	if d.Client == nil && d.Correspondents == nil {
		return d, nil
	}
	_, err := m.Store.Update(ctx, nil, func([]*greylist.Entry) greylist.Decision {
		return greylist.Decision{Keep: true, Client: d.Client, Correspondents: d.Correspondents}
	})
	return d, err
}

// Get implements [greylist.Memory].
func (m *memory) Get(_ context.Context, t greylist.Triplet) (*greylist.Entry, error) {
	return m.find(t), nil
}

// expire removes what has expired, as the daemon does.
func (m *memory) expire(ctx context.Context, w greylist.Windows, now int64) {
	cutoffs := w.Cutoffs(now)
	for k, at := range m.triplets {
		if cutoffs.Expired(at.entry()) {
			delete(m.triplets, k)
		}
	}
	m.expireClients(ctx, w.ClientsBefore(now))
}

func (m *memory) expireClients(ctx context.Context, before int64) {
	for removed := 1; removed > 0; {
		removed, _ = m.ExpireClients(ctx, before)
	}
}

// learn remembers a triplet as one that passed at a time.
func (m *memory) learn(triplet uint64, at int64) {
	if known := m.triplets[triplet]; int64(known.passedAt) < at {
		m.triplets[triplet] = times{uint32(at), uint32(at)}
	}
}

// forgetClients forgets which clients are proven.
func (m *memory) forgetClients(ctx context.Context) { m.expireClients(ctx, math.MaxInt64) }
