package sqlite

import (
	"context"

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
	db, err := s.Readers()
	if err != nil {
		return 0, err
	}
	removed, err = backend.Trim(ctx, db, rows-most, func(batch []backend.Key) (int64, error) {
		return s.changeRows(ctx, func(tx *tx) (gone int64, err error) {
			for _, k := range batch {
				n, err := tx.Change(trimSQL, k[:])
				if err != nil {
					return 0, err
				}
				gone += n
			}
			tx.rows -= gone
			return gone, nil
		})
	})
	if err != nil {
		err = s.Failed(ctx, err)
	}
	return removed, err
}
