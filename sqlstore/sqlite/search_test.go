package sqlite

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// TestSearch: what is prepared changes no list, whatever was added and removed since, also
// where ids are used again.
func TestSearch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "greyglass.db")
	s := open(t, path)
	defer s.Close()
	db := raw(t, path)
	defer db.Close()
	exec := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.Exec(statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	number := 0
	add := func(rows int) {
		t.Helper()
		number++
		exec(`INSERT INTO triplet (key, client, sender, recipient, first_seen, last_seen, deferred, accepted)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
			SELECT randomblob(16), '192.0.2.' || (i % 200), 's' || (i % 977) || '@b' || $2 || '.d' || (i % 301) || '.example', 'r' || i || '@example.org', i, i, 1, 0 FROM n`, rows, number)
	}
	prepare := func() {
		t.Helper()
		s.preparer.NextRound = time.Time{}
		for n, more := 0, true; more; n++ {
			var err error
			if more, err = s.PrepareSearch(t.Context()); err != nil || n > 1000 {
				t.Fatal(err)
			}
		}
	}
	blocks := func() (n int) {
		t.Helper()
		if err := db.QueryRow(`SELECT count(*) FROM search_block`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	check := func(when string) {
		t.Helper()
		var all []greylist.Record
		for r, err := range s.List(t.Context(), greylist.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		for _, f := range []greylist.Filter{
			{Senders: []string{"s3@b1.d3.example"}, Recipients: []string{"r7@example.org", "r900@example.org"}, Either: true},
			{Senders: []string{"s5@b1.d5.example"}}, {Senders: []string{"s5@b2.d5.example", "s6@b3.d6.example"}}, {Recipients: []string{"r4100@example.org"}},
			{Recipients: []string{"r1@example.org"}}, {RecipientLocal: "r9999"}, {Client: "192.0.2.7", SenderEnds: "@b1.d7.example"}, {EitherDomain: "d300.example"},
			{SenderEnds: ".d4.example"}, {SenderEnds: "@nowhere.example"}, {EitherDomain: "b2.d1.example", Recipients: []string{"r1@example.org"}}, {Senders: []string{"s1@b4.d1.example"}},
		} {
			for _, f.Limit = range []int{0, 1, 3} {
				var got, want []greylist.Record
				for r, err := range s.List(t.Context(), f) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, r)
				}
				for _, r := range all {
					if f.Matches(r) {
						want = append(want, r)
					}
				}
				if f.Limit > 0 {
					want = want[max(len(want)-f.Limit, 0):]
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: %+v: %d are listed, want %d", when, f, len(got), len(want))
				}
			}
		}
	}
	check("empty")
	add(5 * backend.BlockTriplets / 2)
	check("not prepared")
	prepare()
	if n := blocks(); n != 2 {
		t.Errorf("%d blocks, want 2", n)
	}
	check("prepared")
	exec(`DELETE FROM triplet WHERE id > $1`, backend.BlockTriplets+100)
	if n := blocks(); n != 1 {
		t.Errorf("%d blocks of what is left, want 1", n)
	}
	add(backend.BlockTriplets) // with the same ids
	check("ids are used again")
	prepare()
	check("and prepared")
	exec(`DELETE FROM triplet WHERE id % 3 > 0`)
	prepare()
	if n := blocks(); n != 1 {
		t.Errorf("%d blocks of what is left, want 1", n)
	}
	check("merged")
	add(4 * backend.BlockTriplets)
	prepare()
	exec(`DELETE FROM triplet WHERE id % 20 > 0 AND id < (SELECT max(id) FROM triplet)`)
	prepare()
	if n := blocks(); n != 1 {
		t.Errorf("%d sparse blocks, want 1", n)
	}
	check("all merged")
	add(2 * backend.BlockTriplets)
	prepare()
	check("more")
	exec(`DELETE FROM triplet`)
	if n := blocks(); n != 0 {
		t.Errorf("%d blocks of nothing", n)
	}
	add(backend.BlockTriplets + 10)
	prepare()
	check("all are new")
	checkWhole(t, path)
}

// TestSearchPassesOver: a filter of a prepared block reads that block alone.
func TestSearchPassesOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "greyglass.db")
	s := open(t, path)
	defer s.Close()
	db := raw(t, path)
	defer db.Close()
	_, err := db.Exec(`INSERT INTO triplet (key, client, sender, recipient, first_seen, last_seen, deferred, accepted)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
		SELECT randomblob(16), '192.0.2.1', 's' || i || '@example.net', 'r@example.org', i, i, 1, 0 FROM n`, 6*backend.BlockTriplets)
	if err != nil {
		t.Fatal(err)
	}
	for more := true; more; {
		if more, err = s.PrepareSearch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	for n := range 6 {
		sender := fmt.Sprintf("s%d@example.net", n*backend.BlockTriplets+7)
		f := greylist.Filter{Senders: []string{sender}, Progress: func(int64) { asked++ }}
		for r, err := range s.List(t.Context(), f) {
			if err != nil || r.Sender != sender {
				t.Errorf("%v, %v", r, err)
			}
		}
	}
	if asked < 6 || asked > 9 {
		t.Errorf("%d blocks were read, want 6 and hardly more", asked)
	}
}
