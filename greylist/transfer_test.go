package greylist

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
)

// listed is a Store of which only Update and List are used.
type listed struct {
	Store
	entries map[Triplet]Entry
	memory  memory
	after   func() // called when the list has been read
}

func (l *listed) Update(ctx context.Context, t Triplet, change Change) error {
	return l.memory.Update(ctx, t, change)
}

func (l *listed) List(context.Context, Filter) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for t, e := range l.entries {
			if !yield(Record{t, e}, nil) {
				return
			}
		}
		if l.after != nil {
			l.after()
		}
	}
}

func TestTransfer(t *testing.T) {
	named := func(n int) Triplet { return Triplet{Sender: fmt.Sprint(n)} }
	of := func(entries map[int]Entry) *listed {
		l := new(listed)
		l.entries = map[Triplet]Entry{}
		l.memory.entries = l.entries
		for n, e := range entries {
			l.entries[named(n)] = e
		}
		return l
	}
	waiting, passed := Entry{FirstSeen: 10, LastSeen: 20}, Entry{FirstSeen: 10, LastSeen: 20, PassedAt: 30}
	for _, c := range []struct {
		name           string
		there          *Entry
		brought, after Entry
	}{
		{"unknown", nil, waiting, waiting},
		{"the same", &waiting, waiting, waiting},
		{"later there", &passed, waiting, passed},
		{"earlier there", &waiting, passed, passed},
		{"another of the same time", &Entry{LastSeen: 20, Deferred: 9}, waiting, Entry{LastSeen: 20, Deferred: 9}},
	} {
		from, to := of(map[int]Entry{1: c.brought}), of(nil)
		if c.there != nil {
			to = of(map[int]Entry{1: *c.there})
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
	entries := map[int]Entry{}
	for n := range 3*together + 7 {
		entries[n] = Entry{FirstSeen: int64(n)}
	}
	from, to := of(entries), of(nil)
	from.after = func() { from.entries[named(-1)] = Entry{FirstSeen: 5000} }
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
	to.memory.fail = func(context.Context) error { return ErrClosed }
	if _, err := transfer.Copy(t.Context(), func(int64) {}); err != ErrClosed {
		t.Errorf("%v", err)
	}
}
