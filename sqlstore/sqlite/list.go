package sqlite

import (
	"context"
	"iter"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// List implements [greylist.Store].
func (s *Store) List(ctx context.Context, f greylist.Filter) iter.Seq2[greylist.Record, error] {
	return backend.List(ctx, f, s.readers, s.failed)
}
