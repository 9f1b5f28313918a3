package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"greyglass/greylist"
)

func testEntry(t *testing.T, db Database) {
	s := open(t, db)
	want(t, s, triplet(1), nil)
	for _, e := range []greylist.Entry{
		{FirstSeen: 1, LastSeen: 2, PassedAt: 3, Deferred: 4, Accepted: 5},
		{},
		{FirstSeen: 1 << 40, LastSeen: 1 << 41, Deferred: 1 << 42, Accepted: 1 << 43},
		{FirstSeen: -5, LastSeen: -4, PassedAt: -3}, // a clock before 1970
	} {
		put(t, s, triplet(1), e)
		want(t, s, triplet(1), &e)
		var given *greylist.Entry // the last time, which counts
		err := Update(t.Context(), s, triplet(1), func(remembered *greylist.Entry) (greylist.Entry, bool) {
			given = remembered
			return greylist.Entry{}, false
		})
		if err != nil || given == nil || *given != e {
			t.Errorf("given %+v, want %+v, %v", given, e, err)
		}
	}
	want(t, s, triplet(2), nil)
}

func testNoWrite(t *testing.T, db Database) {
	s := open(t, db)
	keep := func(*greylist.Entry) (greylist.Entry, bool) { return greylist.Entry{FirstSeen: 99}, false }
	if err := Update(t.Context(), s, triplet(1), keep); err != nil {
		t.Fatal(err)
	}
	want(t, s, triplet(1), nil)
	e := greylist.Entry{FirstSeen: 1}
	put(t, s, triplet(1), e)
	if err := Update(t.Context(), s, triplet(1), keep); err != nil {
		t.Fatal(err)
	}
	want(t, s, triplet(1), &e)
}

func testPing(t *testing.T, db Database) {
	s := open(t, db)
	e := greylist.Entry{FirstSeen: 1}
	for range 3 {
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		put(t, s, triplet(1), e)
		want(t, s, triplet(1), &e)
		want(t, s, triplet(2), nil)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

func testOddStrings(t *testing.T, db Database) {
	long := strings.Repeat("l", 64) + "@" + strings.Repeat("d", 255) // RFC 5321, section 4.5.3.1
	odd := []greylist.Triplet{
		{},
		{Client: "a", Sender: "b", Recipient: "c"},
		{Client: "ab", Sender: "", Recipient: "c"}, // the fields don't run into one another
		{Client: "a", Sender: "", Recipient: "bc"},
		{Client: "2001:db8:1::/64", Sender: "<>", Recipient: "me@example.org"},
		{Client: "192.0.2.1", Sender: `"o'brien; drop table triplet--"@example.com`, Recipient: `%_$1?@example.org`},
		{Client: "192.0.2.1", Sender: "grün@bücher.example", Recipient: "用户@例え.example"},
		{Client: "192.0.2.1", Sender: "tab\tnew\nline\\@example.com", Recipient: " @example.org"},
		{Client: "192.0.2.1", Sender: long, Recipient: long + "x"},
		{Client: "192.0.2.1", Sender: long + "x", Recipient: long},
		{Client: strings.Repeat("c", 2000), Sender: strings.Repeat("s", 2000), Recipient: strings.Repeat("r", 2000)},
	}
	s := open(t, db)
	for i, tr := range odd {
		want(t, s, tr, nil)
		put(t, s, tr, greylist.Entry{FirstSeen: int64(i + 1)})
	}
	var listed []greylist.Triplet
	for r, err := range s.List(t.Context(), greylist.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, r.Triplet)
	}
	if len(listed) != len(odd) {
		t.Fatalf("%d are listed, want %d", len(listed), len(odd))
	}
	for i, tr := range odd {
		want(t, s, tr, &greylist.Entry{FirstSeen: int64(i + 1)})
		if listed[i] != tr {
			t.Errorf("listed as %q, want %q", listed[i], tr)
		}
		if forgotten, err := s.Forget(t.Context(), tr); !forgotten || err != nil {
			t.Errorf("Forget(%q): %v, %v", tr, forgotten, err)
		}
	}
}

// testPass: a triplet becomes passed, seen before or not, and stays so for a judge.
func testPass(t *testing.T, db Database) {
	const now = 1_000_000
	s := open(t, db)
	put(t, s, triplet(1), greylist.Entry{FirstSeen: now - 10, LastSeen: now - 10, Deferred: 1})
	for n := range 2 {
		put(t, s, triplet(n), greylist.Entry{FirstSeen: now - 10, LastSeen: now, PassedAt: now})
		d, err := attempt(t.Context(), s, triplet(n), greylist.DefaultWindows, now+1)
		if err != nil || d.Reason != greylist.ReasonAlreadyGrey {
			t.Errorf("%v, %v; want %v", d.Reason, err, greylist.ReasonAlreadyGrey)
		}
	}
}

func testForget(t *testing.T, db Database) {
	s := open(t, db)
	forget := func(n int, want bool) {
		t.Helper()
		if got, err := s.Forget(t.Context(), triplet(n)); got != want || err != nil {
			t.Errorf("Forget: %v, %v; want %v", got, err, want)
		}
	}
	put(t, s, triplet(1), greylist.Entry{FirstSeen: 1})
	put(t, s, triplet(2), greylist.Entry{FirstSeen: 2})
	forget(3, false)
	forget(1, true)
	forget(1, false)
	want(t, s, triplet(1), nil)
	want(t, s, triplet(2), &greylist.Entry{FirstSeen: 2})
	if d, err := attempt(t.Context(), s, triplet(1), greylist.DefaultWindows, 5); err != nil || d.Reason != greylist.ReasonNotSeenBefore {
		t.Errorf("%v, %v; want %v", d.Reason, err, greylist.ReasonNotSeenBefore)
	}
}

// testLasting: what was remembered is there for the next who opens the
// database, and for those who have it open at the same time.
func testLasting(t *testing.T, db Database) {
	first := db(t)
	second := open(t, db)
	e := greylist.Entry{FirstSeen: 1, LastSeen: 2, Deferred: 3}
	put(t, first, triplet(1), e)
	want(t, second, triplet(1), &e)
	put(t, second, triplet(2), e)
	want(t, first, triplet(2), &e)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	third := open(t, db)
	want(t, third, triplet(1), &e)
	want(t, third, triplet(2), &e)
}

func testPanic(t *testing.T, db Database) {
	s := open(t, db)
	put(t, s, triplet(1), greylist.Entry{FirstSeen: 1})
	err := Update(t.Context(), s, triplet(1), func(*greylist.Entry) (greylist.Entry, bool) { panic("oh\nno") })
	if err == nil || !strings.Contains(err.Error(), "oh") {
		t.Errorf("a change that panics: %v, want an error that says so", err)
	}
	want(t, s, triplet(1), &greylist.Entry{FirstSeen: 1})
	put(t, s, triplet(1), greylist.Entry{FirstSeen: 2})
	want(t, s, triplet(1), &greylist.Entry{FirstSeen: 2})
}

// testContextEnded: nothing is done for a caller who has gone already.
func testContextEnded(t *testing.T, db Database) {
	s := open(t, db)
	put(t, s, triplet(1), greylist.Entry{FirstSeen: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want %v", what, err, context.Canceled)
		}
	}
	check("Update", Update(ctx, s, triplet(1), func(*greylist.Entry) (greylist.Entry, bool) {
		t.Error("the change was called")
		return greylist.Entry{}, true
	}))
	_, err := s.Get(ctx, triplet(1))
	check("Get", err)
	_, err = s.Forget(ctx, triplet(1))
	check("Forget", err)
	_, err = s.Stats(ctx)
	check("Stats", err)
	_, _, err = s.Expire(ctx, greylist.Cutoffs{WaitingBefore: 99}, 0)
	check("Expire", err)
	yields := 0
	for r, err := range s.List(ctx, greylist.Filter{}) {
		yields++
		check("List", err)
		if r != (greylist.Record{}) {
			t.Errorf("the error comes with %v", r)
		}
	}
	if yields != 1 {
		t.Errorf("List yields %d times, want one error", yields)
	}
	want(t, s, triplet(1), &greylist.Entry{FirstSeen: 1})
}
