package transfer

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"

	"greyglass/greylist"
)

// listed is a Store of which only Update and List are used.
type listed struct {
	greylist.Store
	entries map[greylist.Triplet]greylist.Entry
	mu      sync.Mutex
	memory  map[greylist.Triplet]greylist.Entry // what Update knows
	fail    func(context.Context) error
	writes  int
	after   func() // called when the list has been read
}

func (l *listed) Update(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (greylist.Decision, error) {
	if l.fail != nil {
		if err := l.fail(ctx); err != nil {
			return greylist.Decision{}, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	remembered := make([]*greylist.Entry, len(triplets))
	for i, t := range triplets {
		if e, ok := l.memory[t]; ok {
			remembered[i] = &e
		}
	}
	d := change(remembered)
	for i, e := range d.Writes() {
		l.memory[triplets[i]] = e
		l.writes++
	}
	return d, nil
}

func (l *listed) List(context.Context, greylist.Filter) iter.Seq2[greylist.Record, error] {
	return func(yield func(greylist.Record, error) bool) {
		for t, e := range l.entries {
			if !yield(greylist.Record{Triplet: t, Entry: e}, nil) {
				return
			}
		}
		if l.after != nil {
			l.after()
		}
	}
}

func TestTransfer(t *testing.T) {
	named := func(n int) greylist.Triplet { return greylist.Triplet{Sender: fmt.Sprint(n)} }
	of := func(entries map[int]greylist.Entry) *listed {
		l := new(listed)
		l.entries = map[greylist.Triplet]greylist.Entry{}
		l.memory = l.entries
		for n, e := range entries {
			l.entries[named(n)] = e
		}
		return l
	}
	waiting, passed := greylist.Entry{FirstSeen: 10, LastSeen: 20}, greylist.Entry{FirstSeen: 10, LastSeen: 20, PassedAt: 30}
	for _, c := range []struct {
		name           string
		there          *greylist.Entry
		brought, after greylist.Entry
	}{
		{"unknown", nil, waiting, waiting},
		{"the same", &waiting, waiting, waiting},
		{"later there", &passed, waiting, passed},
		{"earlier there", &waiting, passed, passed},
		{"another of the same time", &greylist.Entry{LastSeen: 20, Deferred: 9}, waiting, greylist.Entry{LastSeen: 20, Deferred: 9}},
	} {
		from, to := of(map[int]greylist.Entry{1: c.brought}), of(nil)
		if c.there != nil {
			to = of(map[int]greylist.Entry{1: *c.there})
		}
		sum, err := Transfer{from, to}.Copy(t.Context(), func(int64) {})
		written := int64(0)
		if c.there == nil || *c.there != c.after {
			written = 1
		}
		if err != nil || sum != (Transferred{1, written}) || to.entries[named(1)] != c.after {
			t.Errorf("%s: %+v, %v; there is %+v, want %+v", c.name, sum, err, to.entries[named(1)], c.after)
		}
	}

	// More than are under way at a time, while the source learns more.
	entries := map[int]greylist.Entry{}
	for n := range 3*together + 7 {
		entries[n] = greylist.Entry{FirstSeen: int64(n)}
	}
	from, to := of(entries), of(nil)
	from.after = func() { from.entries[named(-1)] = greylist.Entry{FirstSeen: 5000} }
	transfer := Transfer{from, to}
	var told []int64
	sum, err := transfer.Copy(t.Context(), func(done int64) { told = append(told, done) })
	if err != nil || sum.Written != 3*together+7 || fmt.Sprint(told) != "[512 1024 1536 1543]" {
		t.Errorf("%+v, %v, told %v", sum, err, told)
	}
	sum, err = transfer.Check(t.Context(), 5000, func(int64) {})
	if err != nil || sum != (Transferred{3*together + 8, 1}) {
		t.Errorf("%+v, %v", sum, err)
	}
	delete(to.entries, named(4))
	if _, err := transfer.Check(t.Context(), 5000, func(int64) {}); err == nil || !strings.Contains(err.Error(), "is not there") {
		t.Errorf("%v", err)
	}
	to.fail = func(context.Context) error { return greylist.ErrClosed }
	if _, err := transfer.Copy(t.Context(), func(int64) {}); err != greylist.ErrClosed {
		t.Errorf("%v", err)
	}
}
