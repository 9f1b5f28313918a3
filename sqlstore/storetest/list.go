package storetest

import (
	"fmt"
	"slices"
	"testing"

	"greyglass/greylist"
)

// list returns the FirstSeen of what is listed.
func list(t *testing.T, s greylist.Store, f greylist.Filter) []int64 {
	t.Helper()
	var got []int64
	for r, err := range s.List(t.Context(), f) {
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		got = append(got, r.FirstSeen)
	}
	return got
}

func testListOrder(t *testing.T, db Database) {
	s := open(t, db)
	if got := list(t, s, greylist.Filter{}); got != nil {
		t.Errorf("an empty store lists %v", got)
	}
	if got := list(t, s, greylist.Filter{Limit: 3}); got != nil {
		t.Errorf("an empty store lists %v", got)
	}
	for n := range 6 {
		put(t, s, triplet(n), greylist.Entry{FirstSeen: int64(n)})
	}
	put(t, s, triplet(1), greylist.Entry{FirstSeen: 100}) // keeps its place
	if _, err := s.Forget(t.Context(), triplet(2)); err != nil {
		t.Fatal(err)
	}
	put(t, s, triplet(2), greylist.Entry{FirstSeen: 200}) // has a new one
	for _, test := range []struct {
		limit int
		want  []int64
	}{
		{0, []int64{0, 100, 3, 4, 5, 200}},
		{1, []int64{200}},
		{3, []int64{4, 5, 200}},
		{6, []int64{0, 100, 3, 4, 5, 200}},
		{7, []int64{0, 100, 3, 4, 5, 200}},
	} {
		if got := list(t, s, greylist.Filter{Limit: test.limit}); !slices.Equal(got, test.want) {
			t.Errorf("limit %d: %v, want %v", test.limit, got, test.want)
		}
	}
}

func testListFilter(t *testing.T, db Database) {
	s := open(t, db)
	for i, r := range []struct {
		triplet greylist.Triplet
		passed  int64
	}{
		0: {greylist.Triplet{Client: "192.0.2.1", Sender: "a@x", Recipient: "me@y"}, 0},
		1: {greylist.Triplet{Client: "192.0.2.1", Sender: "b@x", Recipient: "me@y"}, 5},
		2: {greylist.Triplet{Client: "192.0.2.2", Sender: "a@x", Recipient: "me@y"}, 6},
		3: {greylist.Triplet{Client: "192.0.2.2", Sender: "<>", Recipient: "you@y"}, 0},
		4: {greylist.Triplet{Client: "192.0.2.1", Sender: "a@x", Recipient: "you@y"}, 7},
	} {
		put(t, s, r.triplet, greylist.Entry{FirstSeen: int64(i), LastSeen: int64(i), PassedAt: r.passed})
	}
	for _, test := range []struct {
		filter greylist.Filter
		want   []int64
	}{
		{greylist.Filter{}, []int64{0, 1, 2, 3, 4}},
		{greylist.Filter{Waiting: true}, []int64{0, 3}},
		{greylist.Filter{Passed: true}, []int64{1, 2, 4}},
		{greylist.Filter{Waiting: true, Passed: true}, []int64{0, 1, 2, 3, 4}},
		{greylist.Filter{Client: "192.0.2.1"}, []int64{0, 1, 4}},
		{greylist.Filter{Senders: []string{"a@x"}}, []int64{0, 2, 4}},
		{greylist.Filter{Senders: []string{"<>"}}, []int64{3}},
		{greylist.Filter{Recipients: []string{"you@y"}}, []int64{3, 4}},
		{greylist.Filter{Client: "192.0.2.1", Senders: []string{"a@x"}}, []int64{0, 4}},
		{greylist.Filter{Client: "192.0.2.1", Senders: []string{"a@x"}, Recipients: []string{"you@y"}}, []int64{4}},
		{greylist.Filter{Client: "192.0.2.1", Senders: []string{"a@x"}, Recipients: []string{"you@y"}, Limit: 1}, []int64{4}},
		{greylist.Filter{Client: "192.0.2.1", Senders: []string{"a@x"}, Recipients: []string{"you@y"}, Waiting: true}, nil},
		{greylist.Filter{Senders: []string{"<>", "b@x", "other@x"}}, []int64{1, 3}},
		{greylist.Filter{Client: "192.0.2.1", Senders: []string{"b@x", "a@x"}, Recipients: []string{"you@y", "me@y"}}, []int64{0, 1, 4}},
		{greylist.Filter{Senders: []string{"b@x"}, Recipients: []string{"you@y"}, Either: true}, []int64{1, 3, 4}},
		{greylist.Filter{Client: "192.0.2.1", Senders: []string{"b@x"}, Recipients: []string{"you@y"}, Either: true}, []int64{1, 4}},
		{greylist.Filter{Recipients: []string{"you@y"}, Either: true}, []int64{3, 4}},
		{greylist.Filter{Either: true}, nil},
		{greylist.Filter{Client: "192.0.2.1", Passed: true}, []int64{1, 4}},
		{greylist.Filter{Client: "192.0.2.1", Passed: true, Limit: 1}, []int64{4}},
		{greylist.Filter{Passed: true, Limit: 2}, []int64{2, 4}},
		{greylist.Filter{Client: "192.0.2"}, nil},        // no prefix
		{greylist.Filter{Senders: []string{"%"}}, nil},   // no pattern
		{greylist.Filter{Senders: []string{"A@X"}}, nil}, // the caller folds
		{greylist.Filter{Client: "192.0.2.9", Limit: 5}, nil},
		{greylist.Filter{SenderEnds: "@x"}, []int64{0, 1, 2, 4}},
		{greylist.Filter{SenderEnds: "@x", RecipientEnds: "ou@y"}, []int64{4}},
		{greylist.Filter{RecipientEnds: "ou@y", Limit: 1}, []int64{4}},
		{greylist.Filter{EitherDomain: "x"}, []int64{0, 1, 2, 4}},
		{greylist.Filter{EitherDomain: "y", SenderEnds: "b@x"}, []int64{1}},
		{greylist.Filter{EitherDomain: "ou@y"}, nil},
		{greylist.Filter{RecipientLocal: "you"}, []int64{3, 4}},
		{greylist.Filter{RecipientLocal: "ou"}, nil},
		{greylist.Filter{RecipientLocal: "%"}, nil},
		{greylist.Filter{SenderEnds: "_@x"}, nil}, // no pattern
		{greylist.Filter{SenderEnds: "%@x"}, nil},
		{greylist.Filter{Since: 2}, []int64{2, 3, 4}},
		{greylist.Filter{Since: 2, Passed: true, Limit: 1}, []int64{4}},
		{greylist.Filter{Only: func(r greylist.Record) bool { return r.FirstSeen%2 == 1 }}, []int64{1, 3}},
		{greylist.Filter{Only: func(r greylist.Record) bool { return r.FirstSeen%2 == 1 }, Limit: 1}, []int64{3}},
		{greylist.Filter{Only: func(greylist.Record) bool { return false }, Limit: 2}, nil},
		{greylist.Filter{Newest: 2}, []int64{3, 4}},
		{greylist.Filter{Newest: 2, Senders: []string{"a@x"}}, []int64{4}},
		{greylist.Filter{Newest: 3, Passed: true, Limit: 1}, []int64{4}},
		{greylist.Filter{Newest: 3, Passed: true, Limit: 9}, []int64{2, 4}},
		{greylist.Filter{Newest: 99}, []int64{0, 1, 2, 3, 4}},
	} {
		if got := list(t, s, test.filter); !slices.Equal(got, test.want) {
			t.Errorf("%+v: %v, want %v", test.filter, got, test.want)
		}
	}
}

// testListLong: more than fits any page or buffer of a store, in one piece and
// in order.
func testListLong(t *testing.T, db Database) {
	const n = 2500
	s := open(t, db)
	entries := make([]greylist.Entry, n)
	for i := range entries {
		entries[i] = greylist.Entry{FirstSeen: int64(i), PassedAt: int64(i % 2)}
	}
	putAll(t, s, entries)
	all := list(t, s, greylist.Filter{})
	if sorted := slices.Sorted(slices.Values(all)); len(sorted) != n || len(slices.Compact(sorted)) != n {
		t.Fatalf("%d are listed, %d of them different, want %d", len(sorted), len(slices.Compact(sorted)), n)
	}
	for _, limit := range []int{1, 999, 1000, 1001, 2000, 2499, 2500} {
		if got := list(t, s, greylist.Filter{Limit: limit}); !slices.Equal(got, all[n-limit:]) {
			t.Errorf("limit %d: %d are listed, or not the newest", limit, len(got))
		}
	}
	passed := slices.DeleteFunc(slices.Clone(all), func(i int64) bool { return i%2 == 0 })
	if got := list(t, s, greylist.Filter{Passed: true}); !slices.Equal(got, passed) {
		t.Errorf("%d are listed as passed, want %d in the same order", len(got), len(passed))
	}
}

func testListStop(t *testing.T, db Database) {
	s := open(t, db)
	for n := range 5 {
		put(t, s, triplet(n), greylist.Entry{FirstSeen: int64(n)})
	}
	seq := s.List(t.Context(), greylist.Filter{})
	for range 2 { // a sequence can be gone through again
		var got []string
		for r, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, fmt.Sprint(r.FirstSeen)); len(got) == 2 {
				break
			}
		}
		if !slices.Equal(got, []string{"0", "1"}) {
			t.Errorf("listed %v", got)
		}
	}
}

// testListUse: the store can be used while a list is being read, however many
// lists there are.
func testListUse(t *testing.T, db Database) {
	s := open(t, db)
	for n := range 3 {
		put(t, s, triplet(n), greylist.Entry{FirstSeen: int64(n)})
	}
	var nest func(depth int)
	nest = func(depth int) {
		for r, err := range s.List(t.Context(), greylist.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if depth < 8 {
				nest(depth + 1)
				return
			}
			want(t, s, r.Triplet, &r.Entry)
			if forgotten, err := s.Forget(t.Context(), r.Triplet); !forgotten || err != nil {
				t.Errorf("Forget: %v, %v", forgotten, err)
			}
		}
	}
	nest(0)
	if got := list(t, s, greylist.Filter{}); got != nil {
		t.Errorf("%v are left", got)
	}
}
