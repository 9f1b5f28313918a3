package sqlite

import (
	"context"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

const (
	// expireBatchSQL returns the number of rows, up to a limit, after an id, and the id of
	// the last of them.
	expireBatchSQL = `SELECT count(*), coalesce(max(id), 0)
		FROM (SELECT id FROM triplet WHERE id > $1 ORDER BY id LIMIT $2) AS batch`

	// expireSQL is [greylist.Cutoffs.Expired] in SQL.
	expireSQL = `DELETE FROM triplet WHERE id > $1 AND id <= $2 AND
		CASE WHEN passed_at IS NULL THEN first_seen < $3 ELSE passed_at < $4 END`
)

// Expire implements [greylist.Store]. It scans the table in the order of ids: an index on
// a time would cost each new triplet more than it saves here. The cursor is the id of the
// last row read.
func (s *Store) Expire(ctx context.Context, c greylist.Cutoffs, cursor int64) (removed int, next int64, err error) {
	var rows, last, gone int64
	err = s.writer.do(ctx, func(tx *tx) (err error) {
		gone = 0
		if _, err := tx.First(expireBatchSQL, []*int64{&rows, &last}, cursor, int64(backend.ExpireBatch)); err != nil || rows == 0 {
			return err
		}
		gone, err = tx.Change(expireSQL, cursor, last, c.WaitingBefore, c.PassedBefore)
		tx.rows -= gone
		tx.changes.expiredBefore = max(tx.changes.expiredBefore, c.PassedBefore)
		return err
	}, nil)
	if err != nil {
		return 0, cursor, err
	}
	if rows < backend.ExpireBatch {
		last = 0
	}
	return int(gone), last, nil
}
