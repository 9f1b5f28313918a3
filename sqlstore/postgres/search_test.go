package postgres

import (
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// testPostgresSearch: a block is stored once its rows have settled, by one daemon, and a list
// is the same with it.
func testPostgresSearch(t *testing.T, c *cluster) {
	defer func(d time.Duration) { settleTime = d }(settleTime)
	settleTime = 10 * time.Millisecond
	url := c.schema(t)
	stores := []*Store{openShared(t, url), openShared(t, url)}
	count := func(statement string) (n int64) {
		t.Helper()
		if err := stores[0].pool.QueryRowContext(t.Context(), statement).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	add := `INSERT INTO triplet (key, client, sender, recipient, first_seen, last_seen, deferred, accepted)
		SELECT decode(md5(i::text), 'hex'), '192.0.2.1', 's' || i || '@b.example', 'r' || i || '@example.org', i, i, 1, 0 FROM generate_series($1::bigint, $2) AS i`
	if _, err := stores[0].pool.ExecContext(t.Context(), add, 1, 2*backend.BlockTriplets+10); err != nil {
		t.Fatal(err)
	}
	late, err := stores[0].pool.BeginTx(t.Context(), nil) // takes an id, and commits later
	if err != nil {
		t.Fatal(err)
	}
	if _, err := late.ExecContext(t.Context(), add, 1_000_000, 1_000_000); err != nil {
		t.Fatal(err)
	}
	prepare := func(rounds int) {
		t.Helper()
		for range rounds {
			for _, s := range stores {
				if _, err := s.PrepareSearch(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(settleTime)
		}
	}
	check := func(when string, blocks int64) {
		t.Helper()
		if n := count(`SELECT count(*) FROM search_block`); n != blocks {
			t.Errorf("%s: %d blocks, want %d", when, n, blocks)
		}
		for _, f := range []greylist.Filter{{Senders: []string{"s7@b.example"}}, {Recipients: []string{"r5000@example.org"}}, {RecipientLocal: "r8200"}} {
			n := 0
			for _, err := range stores[0].List(t.Context(), f) {
				if n++; err != nil {
					t.Fatal(err)
				}
			}
			if n != 1 {
				t.Errorf("%s: %+v: %d are listed", when, f, n)
			}
		}
	}
	check("not prepared", 0)
	prepare(5)
	check("while a transaction runs", 0)
	if err := late.Commit(); err != nil {
		t.Fatal(err)
	}
	prepare(8)
	check("prepared", 2)
	if n := count(`SELECT count(*) FROM search_filter`); n != 2*64 {
		t.Errorf("%d parts of filters", n)
	}
}
