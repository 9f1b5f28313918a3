package postgres

import (
	"context"
	"database/sql"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// Forget implements [greylist.Store].
func (s *Store) Forget(ctx context.Context, t greylist.Triplet) (bool, error) {
	k := backend.KeyOf(t)
	removed, err := s.Change(ctx, func(tx backend.Transaction) (int64, error) { return tx.Change(backend.RemoveSQL, k[:]) })
	s.rows.added.Add(-removed)
	return removed > 0, err
}

// expireSQL reads a batch of rows after an id, and removes those that
// [greylist.Cutoffs.Expired], unless another session has locked them. It returns the
// number of rows, the id of the last, and how many it removed.
const expireSQL = `WITH batch AS (SELECT id FROM triplet WHERE id > $1 ORDER BY id LIMIT $2),
	old AS MATERIALIZED (SELECT id FROM triplet WHERE id IN (SELECT id FROM batch) AND
		CASE WHEN passed_at IS NULL THEN first_seen < $3 ELSE passed_at < $4 END
		ORDER BY id FOR UPDATE SKIP LOCKED),
	gone AS (DELETE FROM triplet WHERE id IN (SELECT id FROM old) RETURNING 1)
	SELECT count(*), coalesce(max(id), 0), (SELECT count(*) FROM gone) FROM batch`

// Expire implements [greylist.Store]. Each daemon expires rows. The error wraps
// [greylist.ErrClockSkew] if this machine's clock and the server's differ too much.
func (s *Store) Expire(ctx context.Context, c greylist.Cutoffs, cursor int64) (removed int, next int64, err error) {
	var rows int64
	err = s.run(ctx, func(db *sql.DB) error {
		if err := s.MayExpire(); err != nil {
			return err
		}
		return db.QueryRowContext(ctx, expireSQL, cursor, backend.ExpireBatch, c.WaitingBefore, c.PassedBefore).Scan(&rows, &next, &removed)
	})
	if err != nil {
		return 0, cursor, err
	}
	s.rows.added.Add(-int64(removed))
	if rows < backend.ExpireBatch {
		next = 0
	}
	return removed, next, nil
}
