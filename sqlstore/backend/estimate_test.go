package backend

import (
	"database/sql"
	"math"
	"testing"

	_ "modernc.org/sqlite"

	"greyglass/greylist"
)

// TestEstimate: a large table is estimated well, also where rows were removed; a small one is
// counted.
func TestEstimate(t *testing.T) {
	db, err := sql.Open("sqlite", "file:estimate?mode=memory&cache=shared")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE client (x); CREATE TABLE correspondent (x); INSERT INTO client VALUES (1);
		CREATE TABLE triplet (id INTEGER PRIMARY KEY, first_seen, passed_at, deferred, accepted);
		WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 50099)
		INSERT INTO triplet SELECT i, i, CASE WHEN i % 4 = 0 THEN i END, 2, i % 3 FROM n WHERE i > 25000 OR i % 2 = 0`); err != nil {
		t.Fatal(err)
	}
	exact, err := stats(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if got, estimated, err := estimate(t.Context(), db, exactUpTo, samples, sampleIDs); err != nil || estimated || got != exact {
		t.Errorf("counted: %+v, %v, %v; want %+v", got, estimated, err, exact)
	}
	got, estimated, err := estimate(t.Context(), db, 1000, 50, 40)
	if err != nil || !estimated {
		t.Fatal(estimated, err)
	}
	for _, n := range [][2]int64{{got.Waiting, exact.Waiting}, {got.Passed, exact.Passed}, {got.Deferred, exact.Deferred}, {got.Accepted, exact.Accepted}} {
		if off := math.Abs(float64(n[0]-n[1])) / float64(n[1]); off > 0.05 {
			t.Errorf("estimated %d, is %d", n[0], n[1])
		}
	}
	if got.Clients != 1 || got.OldestWaiting != 0 {
		t.Errorf("%+v", got)
	}
	if _, err := db.Exec(`DELETE FROM triplet`); err != nil {
		t.Fatal(err)
	}
	if got, estimated, err := estimate(t.Context(), db, exactUpTo, samples, sampleIDs); err != nil || estimated || got != (greylist.Stats{Clients: 1}) {
		t.Errorf("of nothing: %+v, %v, %v", got, estimated, err)
	}
}
