package sqlite

import (
	"context"
	"database/sql"

	"greyglass/sqlstore/backend"
)

// PrepareSearch implements [greylist.Searchable].
func (s *Store) PrepareSearch(ctx context.Context) (more bool, err error) {
	var b *backend.Block
	err = s.Read(ctx, func(db *sql.DB) (err error) {
		var greatest int64
		if err := db.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM triplet`).Scan(&greatest); err != nil {
			return err
		}
		b, more, err = s.preparer.Next(ctx, db, greatest)
		return err
	})
	if err != nil || b == nil {
		return more, err
	}
	return more, s.writer.do(ctx, func(tx *tx) error { return b.Store(tx) }, nil)
}
