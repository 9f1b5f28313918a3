package sqlite

import (
	"context"

	"greyglass/sqlstore/backend"
)

// PrepareSearch implements [greylist.Searchable].
func (s *Store) PrepareSearch(ctx context.Context) (more bool, err error) {
	db, err := s.reading()
	if err != nil {
		return false, err
	}
	var greatest int64
	if err := db.readers.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM triplet`).Scan(&greatest); err != nil {
		return false, s.failed(ctx, err)
	}
	b, more, err := s.preparer.Next(ctx, db.readers, greatest)
	if err != nil {
		return false, s.failed(ctx, err)
	}
	if b == nil {
		return more, nil
	}
	return more, s.writer.do(ctx, func(tx *tx) error { return tx.storeBlock(b) }, nil)
}

// storeBlock stores a block, unless the rows or the blocks have changed too much.
func (tx *tx) storeBlock(b *backend.Block) error {
	var between, least, after, last int64
	if _, err := tx.conn.first(backend.BlocksBetweenSQL, []*int64{&between, &least, &after}, b.First, b.Last); err != nil {
		return err
	}
	if _, err := tx.conn.first(backend.HasRowSQL, []*int64{&last}, b.Last, b.LastKey); err != nil {
		return err
	}
	if !b.Fits(between, least, after, last) {
		return nil
	}
	if _, err := tx.change(backend.RemoveBlocksSQL, b.First, b.Last); err != nil {
		return err
	}
	for part, bits := range b.Bits {
		if _, err := tx.change(backend.RemoveFiltersSQL, int64(part), b.First, b.FiltersUpTo()); err != nil {
			return err
		}
		if _, err := tx.change(backend.AddFilterSQL, int64(part), b.Last, b.First, bits); err != nil {
			return err
		}
	}
	_, err := tx.change(backend.AddBlockSQL, b.Last, b.First, b.Triplets)
	return err
}
