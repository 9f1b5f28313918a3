package postgres

import (
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/storetest"
)

// testPostgresNumbers: what shared a round trip is counted, and timed if it wrote;
// and who panicked.
func testPostgresNumbers(t *testing.T, c *cluster) {
	s := openShared(t, c.schema(t))
	for range 2 {
		if err := storetest.Update(t.Context(), s, storetest.Numbered(1), storetest.Remember(greylist.Entry{})); err != nil {
			t.Fatal(err)
		}
	}
	err := storetest.Update(t.Context(), s, storetest.Numbered(1), func(*greylist.Entry) (greylist.Entry, bool) { return greylist.Entry{}, false })
	if err != nil {
		t.Fatal(err)
	}
	err = storetest.Update(t.Context(), s, storetest.Numbered(1), func(*greylist.Entry) (greylist.Entry, bool) { panic("a bug") })
	if err == nil || err.Error() != "panic: a bug" {
		t.Errorf("a change that panics: %v", err)
	}
	closesSoon(t, s) // so that all is counted
	n, ok := s.Numbers(), true
	var commits int64
	for _, count := range n.Commit.Counts {
		commits += count
	}
	if !ok || n.Batch.Counts[0] != 3 || commits != 2 || n.Commit.Sum <= 0 || n.Failed != 0 || n.Panics != 1 || n.Queued != 0 {
		t.Errorf("%+v", n)
	}
}
