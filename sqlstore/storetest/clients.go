package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"greyglass/greylist"
)

// writeClient writes the row of a client, without a triplet.
func writeClient(t *testing.T, s greylist.Memory, w greylist.ClientWrite) {
	t.Helper()
	_, err := s.Update(t.Context(), nil, func([]*greylist.Entry) greylist.Decision {
		return greylist.Decision{Keep: true, Client: &w}
	})
	if err != nil {
		t.Fatalf("Update of client %s: %v", w.Client, err)
	}
}

// wantClient checks what is remembered of a client; nil for nothing.
func wantClient(t *testing.T, s greylist.Memory, client string, e *greylist.ClientEntry) {
	t.Helper()
	got, err := s.Client(t.Context(), client)
	if err != nil {
		t.Fatalf("Client(%q): %v", client, err)
	}
	if (got == nil) != (e == nil) || got != nil && *got != *e {
		t.Errorf("remembered of client %q: %+v, want %+v", client, got, e)
	}
}

// testClients: a client's row is written only if it is as it was read.
func testClients(t *testing.T, db Database) {
	s := open(t, db)
	one := greylist.ClientEntry{FirstPassed: 1, CountedAt: 2, Passed: 3, LastSeen: 4}
	two := greylist.ClientEntry{FirstPassed: 1 << 40, CountedAt: -2, Passed: 1 << 41, LastSeen: 5}
	for _, client := range []string{"192.0.2.1", "2001:db8:1::/64", "spf:example.com", "", "名.example", "it's", strings.Repeat("c", 2000)} {
		wantClient(t, s, client, nil)
		writeClient(t, s, greylist.ClientWrite{Client: client, Before: &one, After: two}) // it is not there
		wantClient(t, s, client, nil)
		writeClient(t, s, greylist.ClientWrite{Client: client, After: one})
		wantClient(t, s, client, &one)
		writeClient(t, s, greylist.ClientWrite{Client: client, After: two}) // it is there already
		wantClient(t, s, client, &one)
		writeClient(t, s, greylist.ClientWrite{Client: client, Before: &one, After: two})
		wantClient(t, s, client, &two)
		for _, other := range []greylist.ClientEntry{one, {FirstPassed: two.FirstPassed, CountedAt: two.CountedAt, Passed: two.Passed}} {
			writeClient(t, s, greylist.ClientWrite{Client: client, Before: &other, After: one})
			wantClient(t, s, client, &two)
		}
		if known, err := s.ForgetClient(t.Context(), client); !known || err != nil {
			t.Errorf("ForgetClient(%q): %v, %v", client, known, err)
		}
		wantClient(t, s, client, nil)
		if known, err := s.ForgetClient(t.Context(), client); known || err != nil {
			t.Errorf("ForgetClient(%q) again: %v, %v", client, known, err)
		}
	}
}

// testClientsCountAtOnce: of two daemons that count the same client at once, hour after hour, none
// loses a count, and none counts twice.
func testClientsCountAtOnce(t *testing.T, db Database) {
	const callers, hours = 8, 20
	proving := greylist.Proving{After: 1000, MaxGrey: greylist.DefaultWindows.MaxGrey}
	stores := pair(t, db)
	for hour := range int64(hours) {
		now := hour * greylist.Hour
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				s := stores[i%2]
				before, err := s.Client(t.Context(), "192.0.2.1")
				if err != nil {
					t.Error(err)
					return
				}
				after, write := proving.Count(before, now, greylist.AgeAt(now))
				if !write {
					return
				}
				_, err = s.Update(t.Context(), []greylist.Triplet{triplet(int(hour)*callers + i)}, func([]*greylist.Entry) greylist.Decision {
					return greylist.Decision{Remember: greylist.Entry{FirstSeen: now, PassedAt: now},
						Client: &greylist.ClientWrite{Client: "192.0.2.1", Before: before, After: after}}
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		wantClient(t, stores[0], "192.0.2.1", &greylist.ClientEntry{FirstPassed: 0, CountedAt: now, Passed: hour + 1, LastSeen: now})
	}
}

// testClientsWithPass: the row of a client is written together with those of the triplets,
// or none is.
func testClientsWithPass(t *testing.T, db Database) {
	s := open(t, db)
	e := greylist.ClientEntry{FirstPassed: 1, CountedAt: 1, Passed: 1, LastSeen: 1}
	passed := greylist.Entry{FirstSeen: 1, PassedAt: 2}
	put(t, s, triplet(1), greylist.Entry{FirstSeen: 1})
	for n := range 3 { // of which the second is known
		_, err := s.Update(t.Context(), []greylist.Triplet{triplet(n)}, func([]*greylist.Entry) greylist.Decision {
			return greylist.Decision{Remember: passed, Client: &greylist.ClientWrite{Client: triplet(n).Client, After: e}}
		})
		if err != nil {
			t.Fatal(err)
		}
		want(t, s, triplet(n), &passed)
		wantClient(t, s, triplet(n).Client, &e)
	}
	_, err := s.Update(t.Context(), []greylist.Triplet{triplet(3), triplet(4)}, func([]*greylist.Entry) greylist.Decision {
		return greylist.Decision{Keep: true, Others: []greylist.Write{{Triplet: 1, Entry: passed}}, Client: &greylist.ClientWrite{Client: "several", After: e}}
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, s, triplet(3), nil)
	want(t, s, triplet(4), &passed)
	wantClient(t, s, "several", &e)

	ctx, cancel := context.WithCancel(t.Context())
	_, err = s.Update(ctx, []greylist.Triplet{triplet(5)}, func([]*greylist.Entry) greylist.Decision { cancel(); panic("no decision") })
	if err == nil {
		t.Error("a change that panics succeeds")
	}
	if st, err := s.Stats(t.Context()); err != nil || st.Clients != 4 || st.Passed != 4 {
		t.Errorf("%+v, %v; want 4 clients and 4 passed triplets", st, err)
	}
}

// testClientsList: the clients come in the order of their octets, each once.
func testClientsList(t *testing.T, db Database) {
	s := open(t, db)
	names := []string{"192.0.2.1", "A", "a", "spf:ä.example"}
	for n := range 2500 {
		names = append(names, fmt.Sprintf("name:%d.example", n))
	}
	var wg sync.WaitGroup
	for part := range slices.Chunk(names, 100) {
		wg.Go(func() {
			for _, name := range part {
				_, err := s.Update(t.Context(), nil, func([]*greylist.Entry) greylist.Decision {
					return greylist.Decision{Keep: true, Client: &greylist.ClientWrite{Client: name, After: greylist.ClientEntry{Passed: int64(len(name))}}}
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	slices.Sort(names)
	var listed []string
	for r, err := range s.Clients(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Passed != int64(len(r.Client)) {
			t.Errorf("%+v", r)
		}
		listed = append(listed, r.Client)
	}
	if !slices.Equal(listed, names) {
		t.Errorf("listed are %d, want %d", len(listed), len(names))
	}
	for range s.Clients(t.Context()) {
		break
	}
	if st, err := s.Stats(t.Context()); err != nil || st.Clients != int64(len(names)) || st.Waiting+st.Passed != 0 {
		t.Errorf("%+v, %v", st, err)
	}
}

// testClientsExpire: those that were last seen before a time go, some at a call.
func testClientsExpire(t *testing.T, db Database) {
	s := open(t, db)
	const clients, before = 1000, 900
	var wg sync.WaitGroup
	for part := range 10 {
		wg.Go(func() {
			for n := part; n < clients; n += 10 {
				_, err := s.Update(t.Context(), nil, func([]*greylist.Entry) greylist.Decision {
					return greylist.Decision{Keep: true, Client: &greylist.ClientWrite{Client: fmt.Sprint(n), After: greylist.ClientEntry{LastSeen: int64(n)}}}
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	put(t, s, triplet(1), greylist.Entry{FirstSeen: 1})
	expiresInBatches(t, before, func() (int, error) { return s.ExpireClients(t.Context(), before) })
	wantClient(t, s, "899", nil)
	wantClient(t, s, "900", &greylist.ClientEntry{LastSeen: 900})
	want(t, s, triplet(1), &greylist.Entry{FirstSeen: 1})
	if n, _, err := s.Expire(t.Context(), greylist.Cutoffs{WaitingBefore: 2}, 0); n != 1 || err != nil {
		t.Errorf("%d triplets expired, %v", n, err)
	}
	wantClient(t, s, "900", &greylist.ClientEntry{LastSeen: 900})
}

// testClientsEnded: nothing is done for a caller who has gone, or in a closed store.
func testClientsEnded(t *testing.T, db Database) {
	callsEnd(t, db(t), func(ctx context.Context, s greylist.Store) []error {
		_, err := s.Client(ctx, "a")
		_, err2 := s.ForgetClient(ctx, "a")
		_, err3 := s.ExpireClients(ctx, 99)
		return []error{err, err2, err3, onlyError(t, s.Clients(ctx))}
	})
}

// callsEnd fails the test unless all calls fail for a caller who has gone, and in a closed
// store.
func callsEnd(t *testing.T, s greylist.Store, calls func(context.Context, greylist.Store) []error) {
	t.Helper()
	ended, end := context.WithCancel(t.Context())
	end()
	check := func(ctx context.Context, want error) {
		t.Helper()
		for i, err := range calls(ctx, s) {
			if !errors.Is(err, want) {
				t.Errorf("call %d: %v, want %v", i, err, want)
			}
		}
	}
	check(ended, context.Canceled)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check(t.Context(), greylist.ErrClosed)
}

// onlyError is the error of a sequence that yields nothing else.
func onlyError[R comparable](t *testing.T, records iter.Seq2[R, error]) (err error) {
	t.Helper()
	for r, failed := range records {
		if err = failed; r != *new(R) {
			t.Errorf("the error comes with %v", r)
		}
	}
	return err
}

// expiresInBatches fails the test unless so many are removed, in several calls.
func expiresInBatches(t *testing.T, want int, expire func() (int, error)) {
	t.Helper()
	removed, calls := 0, 0
	for {
		n, err := expire()
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		removed, calls = removed+n, calls+1
	}
	if removed != want || calls < 3 {
		t.Errorf("%d removed in %d calls, want %d in several", removed, calls, want)
	}
}
