package sqlite

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// TestNumbers: transactions are counted with their size, and timed if they wrote.
func TestNumbers(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "greyglass.db"), backend.Options{Create: true}) // no cache, which is filled by transactions
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	look := func() error {
		return storetest.Update(t.Context(), s, storetest.Numbered(9), func(*greylist.Entry) (greylist.Entry, bool) { return greylist.Entry{}, false })
	}
	if err := errors.Join(together(t, s, put(s, 1, greylist.Entry{}), put(s, 2, greylist.Entry{}), look)...); err != nil {
		t.Fatal(err)
	}
	if err := look(); err != nil {
		t.Fatal(err)
	}
	n, ok := s.Numbers(), true
	if !ok {
		t.Fatal("no numbers")
	}
	want := make([]int64, len(n.Batch.Bounds)+1)
	want[0], want[slices.Index(n.Batch.Bounds, 4)] = 1, 1
	if !slices.Equal(n.Batch.Counts, want) || n.Batch.Sum != 4 {
		t.Errorf("batches %+v", n.Batch)
	}
	commits := int64(0)
	for _, c := range n.Commit.Counts {
		commits += c
	}
	if commits != 1 || n.Commit.Sum <= 0 {
		t.Errorf("commits %+v", n.Commit)
	}
	if n.Unavailable || n.Failed != 0 || n.Queued != 0 || n.DatabaseBytes < pageSize || n.LogBytes < pageSize {
		t.Errorf("%+v", n)
	}
}
