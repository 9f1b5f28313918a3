package postgres

import (
	"context"
	"database/sql"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// All daemons change counts in the order of their keys, so that there are no deadlocks.
const (
	// batchSQL notes that a batch of a daemon is recorded, and changes no row if it was
	// recorded before.
	batchSQL = `INSERT INTO recorded (daemon, batch, at) VALUES ($1, $2, now())
		ON CONFLICT (daemon) DO UPDATE SET batch = excluded.batch, at = excluded.at WHERE recorded.batch < excluded.batch`

	// oldBatchesSQL forgets daemons that have recorded nothing for a week.
	oldBatchesSQL = `DELETE FROM recorded WHERE daemon IN
		(SELECT daemon FROM recorded WHERE at < now() - interval '7 days' FOR UPDATE SKIP LOCKED)`

	answeredSQL = `INSERT INTO answered (hour, via, verdict, reason, count)
		SELECT hour, via, verdict, reason, sum(count)
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[]) AS new (hour, via, verdict, reason, count)
		GROUP BY hour, via, verdict, reason ORDER BY hour, via, verdict, reason
		ON CONFLICT (hour, via, verdict, reason) DO UPDATE SET count = answered.count + excluded.count`
	returnedSQL = `INSERT INTO returned (hour, within, count)
		SELECT hour, within, sum(count) FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS new (hour, within, count)
		GROUP BY hour, within ORDER BY hour, within
		ON CONFLICT (hour, within) DO UPDATE SET count = returned.count + excluded.count`
)

// Record implements [greylist.Store].
func (s *Store) Record(ctx context.Context, h greylist.History) error {
	answered, returned := answeredColumns(h.Answered), returnedColumns(h.Returned)
	return s.inTransaction(ctx, func(tx *sql.Tx) error {
		if h.Batch != (greylist.Batch{}) {
			result, err := tx.ExecContext(ctx, batchSQL, h.Batch.Daemon, h.Batch.Number)
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil || n == 0 {
				return err // it was recorded before
			}
			if _, err := tx.ExecContext(ctx, oldBatchesSQL); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, answeredSQL, answered...); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, returnedSQL, returned...); err != nil {
			return err
		}
		for _, u := range h.Used {
			if _, err := tx.ExecContext(ctx, backend.UsedSQL, u.List, u.Entry, u.At); err != nil {
				return err
			}
		}
		return nil
	})
}

// answeredColumns returns the counts as parameters: one array for each column.
func answeredColumns(all []greylist.Answered) []any {
	var hours, counts []int64
	var via, verdicts, reasons []string
	for _, a := range all {
		hours, counts = append(hours, a.Hour), append(counts, a.Count)
		via, verdicts, reasons = append(via, a.Via), append(verdicts, string(a.Verdict)), append(reasons, string(a.Reason))
	}
	return []any{hours, via, verdicts, reasons, counts}
}

func returnedColumns(all []greylist.Returned) []any {
	var hours, within, counts []int64
	for _, r := range all {
		hours, within, counts = append(hours, r.Hour), append(within, r.Within), append(counts, r.Count)
	}
	return []any{hours, within, counts}
}
