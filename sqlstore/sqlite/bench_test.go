package sqlite

import (
	"context"
	"path/filepath"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

func BenchmarkUpdate(b *testing.B) { storetest.Bench(b, benchStore) }

func benchStore(b *testing.B) greylist.Store {
	s, err := Open(context.Background(), "sqlite:"+filepath.Join(b.TempDir(), "greyglass.db"), backend.Options{Create: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}
