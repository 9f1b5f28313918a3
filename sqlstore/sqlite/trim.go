package sqlite

import (
	"context"
	"slices"
	"time"

	"greyglass/sqlstore/backend"
)

// trimSQL keeps a row that has passed meanwhile.
const trimSQL = `DELETE FROM triplet WHERE key = $1 AND passed_at IS NULL`

// Trim implements [greylist.Bounded].
func (s *Store) Trim(ctx context.Context, most int64) (removed int64, err error) {
	rows, err := s.Count(ctx)
	if err != nil || rows <= most {
		return 0, err
	}
	db, err := s.reading()
	if err != nil {
		return 0, err
	}
	newest, err := backend.NewestWaiting(ctx, db.readers)
	if err != nil {
		return 0, s.failed(ctx, err)
	}
	for batch := range slices.Chunk(backend.Surplus(newest, min(rows-most, backend.TrimMost)), backend.TrimBatch) {
		gone, err := s.changeRows(ctx, func(tx *tx) (gone int64, err error) {
			for _, k := range batch {
				n, err := tx.change(trimSQL, k[:])
				if err != nil {
					return 0, err
				}
				gone += n
			}
			tx.rows -= gone
			return gone, nil
		})
		if err != nil {
			return removed, err
		}
		removed += gone
		select {
		case <-ctx.Done():
			return removed, ctx.Err()
		case <-time.After(backend.TrimPause):
		}
	}
	return removed, nil
}
