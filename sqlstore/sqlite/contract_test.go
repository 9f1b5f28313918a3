package sqlite

import (
	"context"
	"path/filepath"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Database {
		path := filepath.Join(t.TempDir(), "greyglass.db")
		return func(t *testing.T) greylist.Store { return open(t, path) }
	})
}

// open opens the database at the path, and creates it if need be.
func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(context.Background(), "sqlite:"+path, backend.Options{Create: true, CacheTriplets: 1000})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

// openNew opens a new database, which is closed when the test ends.
func openNew(t *testing.T) *Store {
	t.Helper()
	s := open(t, filepath.Join(t.TempDir(), "greyglass.db"))
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	<-s.filled // so that the only jobs are the test's
	return s
}
