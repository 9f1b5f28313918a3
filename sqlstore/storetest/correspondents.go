package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"greyglass/greylist"
)

// noteCorrespondents notes correspondents, without a triplet.
func noteCorrespondents(t *testing.T, s greylist.Memory, now int64, records ...greylist.CorrespondentRecord) {
	t.Helper()
	_, err := s.Update(t.Context(), nil, func([]*greylist.Entry) greylist.Decision {
		return greylist.Decision{Keep: true, Correspondents: &greylist.CorrespondentNotes{Now: now, Records: records}}
	})
	if err != nil {
		t.Errorf("Update of %d correspondents: %v", len(records), err)
	}
}

func correspondent(local, remote string, first, last int64) greylist.CorrespondentRecord {
	return greylist.CorrespondentRecord{Correspondent: greylist.Correspondent{Local: local, Remote: remote},
		CorrespondentEntry: greylist.CorrespondentEntry{FirstSeen: first, LastSeen: last}}
}

// wantCorrespondent checks what is remembered of a correspondent; nil for nothing.
func wantCorrespondent(t *testing.T, s greylist.Memory, c greylist.Correspondent, e *greylist.CorrespondentEntry) {
	t.Helper()
	got, err := s.Correspondent(t.Context(), c)
	if err != nil {
		t.Fatalf("Correspondent(%v): %v", c, err)
	}
	if (got == nil) != (e == nil) || got != nil && *got != *e {
		t.Errorf("remembered of %v: %+v, want %+v", c, got, e)
	}
}

// testCorrespondents: notes are merged, in whatever order they come.
func testCorrespondents(t *testing.T, db Database) {
	s := open(t, db)
	for _, c := range []greylist.Correspondent{
		{Local: "bob@example.org", Remote: "ann@example.net"}, {Local: "ann@example.net", Remote: "bob@example.org"},
		{Local: "bob@example.org"}, {Remote: "bob@example.org"}, {Local: "名@example.org", Remote: "it's@example.net"},
		{Local: strings.Repeat("b", 1000), Remote: strings.Repeat("a", 1000)},
	} {
		wantCorrespondent(t, s, c, nil)
		for _, note := range []struct{ now, first, last, wantFirst, wantLast int64 }{
			{100, 100, 100, 100, 100},
			{200, 200, 200, 100, 200},
			{210, 50, 150, 50, 200},  // of the past, as from a log
			{220, 60, 180, 50, 200},  // nothing new
			{190, 190, 190, 50, 190}, // the clock was set back
			{195, 10, 20, 10, 190},   // no stored time is lowered by one of the past
			{1 << 40, 7, 1 << 40, 7, 1 << 40},
			{5, 5, 5, 5, 5},
		} {
			noteCorrespondents(t, s, note.now, greylist.CorrespondentRecord{Correspondent: c, CorrespondentEntry: greylist.CorrespondentEntry{FirstSeen: note.first, LastSeen: note.last}})
			wantCorrespondent(t, s, c, &greylist.CorrespondentEntry{FirstSeen: note.wantFirst, LastSeen: note.wantLast})
		}
		if known, err := s.ForgetCorrespondent(t.Context(), c); !known || err != nil {
			t.Errorf("ForgetCorrespondent(%v): %v, %v", c, known, err)
		}
		wantCorrespondent(t, s, c, nil)
		if known, err := s.ForgetCorrespondent(t.Context(), c); known || err != nil {
			t.Errorf("ForgetCorrespondent(%v) again: %v, %v", c, known, err)
		}
	}
	noteCorrespondents(t, s, 9) // none
	twice := correspondent("bob@example.org", "eve@example.net", 3, 3)
	noteCorrespondents(t, s, 9, correspondent("bob@example.org", "eve@example.net", 5, 5), twice, correspondent("bob@example.org", "dan@example.net", 4, 4))
	wantCorrespondent(t, s, twice.Correspondent, &greylist.CorrespondentEntry{FirstSeen: 3, LastSeen: 5})
}

// testCorrespondentsWithTriplets: correspondents are written together with triplets, or
// none is.
func testCorrespondentsWithTriplets(t *testing.T, db Database) {
	s := open(t, db)
	put(t, s, triplet(1), greylist.Entry{FirstSeen: 1})
	passed := greylist.Entry{FirstSeen: 1, PassedAt: 2}
	for n := range 3 { // of which the second is known
		r := correspondent("bob@example.org", fmt.Sprint(n, "@example.net"), 1, 2)
		_, err := s.Update(t.Context(), []greylist.Triplet{triplet(n)}, func([]*greylist.Entry) greylist.Decision {
			return greylist.Decision{Remember: passed, Correspondents: &greylist.CorrespondentNotes{Now: 2, Records: []greylist.CorrespondentRecord{r}}}
		})
		if err != nil {
			t.Fatal(err)
		}
		want(t, s, triplet(n), &passed)
		wantCorrespondent(t, s, r.Correspondent, &r.CorrespondentEntry)
	}
}

// testCorrespondentsAtOnce: two daemons that note the same users' mail at once are not in
// each other's way. A note may be lost to one that another daemon is just writing.
func testCorrespondentsAtOnce(t *testing.T, db Database) {
	const callers, rounds, pairs = 8, 10, 20
	stores := pair(t, db)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for round := range rounds {
				var records []greylist.CorrespondentRecord
				for n := range pairs {
					at := int64(1000*round + i)
					records = append(records, correspondent("bob@example.org", fmt.Sprint((n+i)%pairs, "@example.net"), at, at))
				}
				noteCorrespondents(t, stores[i%2], int64(1000*round+callers), records...)
			}
		})
	}
	wg.Wait()
	for n := range pairs {
		e, err := stores[1].Correspondent(t.Context(), correspondent("bob@example.org", fmt.Sprint(n, "@example.net"), 0, 0).Correspondent)
		if err != nil || e == nil || e.FirstSeen > e.LastSeen || e.LastSeen >= 1000*rounds {
			t.Errorf("pair %d: %+v, %v", n, e, err)
		}
	}
}

// testCorrespondentsList: the correspondents come in the order of their octets, each once.
func testCorrespondentsList(t *testing.T, db Database) {
	s := open(t, db)
	var all []greylist.CorrespondentRecord
	for n := range 2500 {
		all = append(all, correspondent(fmt.Sprintf("%d@example.org", n%7), fmt.Sprintf("%d@ä.example", n), int64(n), int64(2*n)))
	}
	all = append(all, correspondent("A@example.org", "a@example.net", 1, 1), correspondent("a@example.org", "A@example.net", 2, 2))
	for part := range slices.Chunk(all, 500) {
		noteCorrespondents(t, s, 10_000, part...)
	}
	slices.SortFunc(all, func(a, b greylist.CorrespondentRecord) int {
		return strings.Compare(a.Local+"\x00"+a.Remote, b.Local+"\x00"+b.Remote)
	})
	var listed []greylist.CorrespondentRecord
	for r, err := range s.Correspondents(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, r)
	}
	if !slices.Equal(listed, all) {
		t.Errorf("listed are %d, want %d", len(listed), len(all))
	}
	for range s.Correspondents(t.Context()) {
		break
	}
	if st, err := s.Stats(t.Context()); err != nil || st.Correspondents != int64(len(all)) || st.Waiting+st.Passed+st.Clients != 0 {
		t.Errorf("%+v, %v", st, err)
	}
}

// testCorrespondentsExpire: those to whom the user wrote last before a time go, some at a
// call.
func testCorrespondentsExpire(t *testing.T, db Database) {
	s := open(t, db)
	const before = 900
	var all []greylist.CorrespondentRecord
	for n := range int64(1000) {
		all = append(all, correspondent("bob@example.org", fmt.Sprint(n), 0, n))
	}
	noteCorrespondents(t, s, 1000, all...)
	put(t, s, triplet(1), greylist.Entry{FirstSeen: 1})
	expiresInBatches(t, before, func() (int, error) { return s.ExpireCorrespondents(t.Context(), before) })
	wantCorrespondent(t, s, all[899].Correspondent, nil)
	wantCorrespondent(t, s, all[900].Correspondent, &all[900].CorrespondentEntry)
	want(t, s, triplet(1), &greylist.Entry{FirstSeen: 1})
}

// testCorrespondentsEnded: nothing is done for a caller who has gone, or in a closed store.
func testCorrespondentsEnded(t *testing.T, db Database) {
	callsEnd(t, db(t), func(ctx context.Context, s greylist.Store) []error {
		c := greylist.Correspondent{Local: "a", Remote: "b"}
		_, err := s.Correspondent(ctx, c)
		_, err2 := s.ForgetCorrespondent(ctx, c)
		_, err3 := s.ExpireCorrespondents(ctx, 99)
		return []error{err, err2, err3, onlyError(t, s.Correspondents(ctx))}
	})
}
