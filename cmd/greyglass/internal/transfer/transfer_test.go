package transfer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/memstore"
	"greyglass/sqlstore/storetest/faulty"
)

// growing is a store that learns one more triplet once it has been listed.
type growing struct{ *memstore.Store }

func (g growing) List(ctx context.Context, f greylist.Filter) iter.Seq2[greylist.Record, error] {
	return func(yield func(greylist.Record, error) bool) {
		for r, err := range g.Store.List(ctx, f) {
			if !yield(r, err) {
				return
			}
		}
		remember(ctx, g, -1, greylist.Entry{FirstSeen: 5000})
	}
}

func TestTransfer(t *testing.T) {
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
		from, to := storeOf(t, []*greylist.Entry{&c.brought}), storeOf(t, []*greylist.Entry{c.there})
		sum, err := transferOf(from, to).Copy(t.Context(), func(int64) {})
		written := int64(0)
		if c.there == nil || *c.there != c.after {
			written = 1
		}
		there, getErr := to.Get(t.Context(), named(0))
		if err != nil || getErr != nil || sum != (Transferred{1, written}) || *there != c.after {
			t.Errorf("%s: %+v, %v, %v; there is %+v, want %+v", c.name, sum, err, getErr, there, c.after)
		}
	}

	// More than are under way at a time, while the source learns more.
	var entries []*greylist.Entry
	for n := range 3*together + 7 {
		entries = append(entries, &greylist.Entry{FirstSeen: int64(n)})
	}
	to := faulty.New()
	transfer := transferOf(growing{storeOf(t, entries)}, to)
	transfer.Now = 5000
	var told []int64
	sum, err := transfer.Copy(t.Context(), func(done int64) { told = append(told, done) })
	if err != nil || sum.Written != 3*together+7 || fmt.Sprint(told) != "[512 1024 1536 1543]" {
		t.Errorf("%+v, %v, told %v", sum, err, told)
	}
	sum, err = transfer.Check(t.Context(), func(int64) {})
	if err != nil || sum != (Transferred{3*together + 8, 1}) {
		t.Errorf("%+v, %v", sum, err)
	}
	if _, err := to.Forget(t.Context(), named(4)); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Check(t.Context(), func(int64) {}); err == nil || !strings.Contains(err.Error(), "is not there") {
		t.Errorf("%v", err)
	}
	to.Fail(greylist.ErrClosed)
	if _, err := transfer.Copy(t.Context(), func(int64) {}); err != greylist.ErrClosed {
		t.Errorf("%v", err)
	}
}

func transferOf(from Source, to greylist.Store) Transfer {
	return Transfer{From: from, To: to, Windows: greylist.DefaultWindows, Now: 100}
}

// TestNoDemotion: of random pairs of memories, merged in either order, each triplet that
// either side would accept now is accepted afterwards, and the second time nothing is written.
func TestNoDemotion(t *testing.T) {
	w := greylist.DefaultWindows
	const now, triplets = 10_000_000, 40
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	ages := []int64{-5, 0, 1, w.TooSoon - 1, w.TooSoon, w.MinDeferTime - 1, w.MinDeferTime, w.MaxDeferTime, w.MaxDeferTime + 1, w.MaxGrey, w.MaxGrey + 1}
	age := func() int64 {
		if random.IntN(2) == 0 {
			return ages[random.IntN(len(ages))]
		}
		return random.Int64N(2 * w.MaxDeferTime)
	}
	accepted := func(s *memstore.Store, n int) bool {
		e, err := s.Get(t.Context(), named(n))
		if err != nil {
			t.Fatal(err)
		}
		return w.Decide(e, now).Verdict == greylist.Accept
	}
	for range 300 {
		var sides [2][]*greylist.Entry
		for i := range sides {
			for range triplets {
				var e *greylist.Entry
				if random.IntN(4) > 0 {
					e = &greylist.Entry{FirstSeen: now - age(), LastSeen: now - age()}
					if random.IntN(2) == 0 {
						e.PassedAt = now - age()
					}
				}
				sides[i] = append(sides[i], e)
			}
		}
		for _, order := range [][2]int{{0, 1}, {1, 0}} {
			from, to := storeOf(t, sides[order[0]]), storeOf(t, sides[order[1]])
			var want [triplets]bool
			for n := range triplets {
				want[n] = accepted(from, n) || accepted(to, n)
			}
			transfer := Transfer{From: from, To: to, Windows: w, Now: now}
			if _, err := transfer.Copy(t.Context(), func(int64) {}); err != nil {
				t.Fatal(err)
			}
			for n := range triplets {
				if want[n] && !accepted(to, n) {
					t.Fatalf("seed %d: of %+v and %+v, merged in the order %v, one is accepted, but not after it", seed, sides[0][n], sides[1][n], order)
				}
			}
			if again, err := transfer.Copy(t.Context(), func(int64) {}); err != nil || again.Written != 0 {
				t.Fatalf("seed %d: the second time %+v, %v", seed, again, err)
			}
		}
	}
}

// TestOrderOfArrival: what is copied is listed in the order of the source.
func TestOrderOfArrival(t *testing.T) {
	var entries []*greylist.Entry
	for n := range int64(3 * together) {
		entries = append(entries, &greylist.Entry{FirstSeen: n})
	}
	to := memstore.New()
	if _, err := transferOf(storeOf(t, entries), to).Copy(t.Context(), func(int64) {}); err != nil {
		t.Fatal(err)
	}
	next := int64(0)
	for r, err := range to.List(t.Context(), greylist.Filter{}) {
		if err != nil || r.FirstSeen != next {
			t.Fatalf("%+v, %v; want the %dth", r, err, next)
		}
		next++
	}
}

func named(n int) greylist.Triplet { return greylist.Triplet{Sender: fmt.Sprint(n)} }

// storeOf is a store with these entries, of triplets that are named by their index.
func storeOf(t *testing.T, entries []*greylist.Entry) *memstore.Store {
	t.Helper()
	s := memstore.New()
	for n, e := range entries {
		if e == nil {
			continue
		}
		remember(t.Context(), s, n, *e)
	}
	return s
}

func remember(ctx context.Context, s greylist.Store, n int, e greylist.Entry) {
	_, err := s.Update(ctx, []greylist.Triplet{named(n)}, func([]*greylist.Entry) greylist.Decision { return greylist.Decision{Remember: e} })
	if err != nil {
		panic(err)
	}
}

// records are a source that has a triplet more than once.
type records []greylist.Record

func (r records) List(context.Context, greylist.Filter) iter.Seq2[greylist.Record, error] {
	return func(yield func(greylist.Record, error) bool) {
		for _, record := range r {
			if !yield(record, nil) {
				return
			}
		}
	}
}

// TestOneTripletTwice: of several entries of a triplet in a source the best is written,
// and a dry run counts it without writing.
func TestOneTripletTwice(t *testing.T) {
	passed := greylist.Entry{FirstSeen: 10, LastSeen: 30, PassedAt: 30}
	source := records{
		{Triplet: named(1), Entry: greylist.Entry{FirstSeen: 10, LastSeen: 20}},
		{Triplet: named(1), Entry: passed},
		{Triplet: named(1), Entry: greylist.Entry{FirstSeen: 40, LastSeen: 40}},
	}
	to := memstore.New()
	for _, c := range []struct {
		dry     bool
		written int64
		there   bool
	}{{true, 1, false}, {false, 1, true}, {true, 0, true}, {false, 0, true}} {
		transfer := Transfer{From: source, To: to, Windows: greylist.DefaultWindows, Now: 100}
		if c.dry {
			transfer.To = Dry{to}
		}
		sum, err := transfer.Copy(t.Context(), func(int64) {})
		there, getErr := to.Get(t.Context(), named(1))
		if err != nil || getErr != nil || sum != (Transferred{3, c.written}) || (there != nil) != c.there || there != nil && *there != passed {
			t.Errorf("%+v: %+v, %v, %v, there is %+v", c, sum, err, getErr, there)
		}
	}
}

// broken is a source that fails after its records.
type broken struct{ records }

func (b broken) List(ctx context.Context, f greylist.Filter) iter.Seq2[greylist.Record, error] {
	return func(yield func(greylist.Record, error) bool) {
		for r, err := range b.records.List(ctx, f) {
			if !yield(r, err) {
				return
			}
		}
		yield(greylist.Record{}, errBroken)
	}
}

var errBroken = errors.New("broken")

// TestBrokenSource: what a source yields before it fails is written.
func TestBrokenSource(t *testing.T) {
	source := broken{records{{Triplet: named(1), Entry: greylist.Entry{FirstSeen: 10, LastSeen: 20}}}}
	sum, err := transferOf(source, memstore.New()).Copy(t.Context(), func(int64) {})
	if err != errBroken || sum != (Transferred{1, 1}) {
		t.Errorf("%+v, %v", sum, err)
	}
}
