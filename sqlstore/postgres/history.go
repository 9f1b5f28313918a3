package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// All daemons change counts in the order of their keys, and skip locked rows when they
// remove old ones, so that there are no deadlocks.
const (
	// batchSQL notes that a batch of a daemon is recorded, and changes no row if it was
	// recorded before.
	batchSQL = `INSERT INTO recorded (daemon, batch, at) VALUES ($1, $2, now())
		ON CONFLICT (daemon) DO UPDATE SET batch = excluded.batch, at = excluded.at WHERE recorded.batch < excluded.batch`

	// oldBatchesSQL forgets daemons that have recorded nothing for a week.
	oldBatchesSQL = `DELETE FROM recorded WHERE daemon IN
		(SELECT daemon FROM recorded WHERE at < now() - interval '7 days' FOR UPDATE SKIP LOCKED)`

	answeredSQL = `INSERT INTO answered (hour, via, verdict, reason, count)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[])
		ON CONFLICT (hour, via, verdict, reason) DO UPDATE SET count = answered.count + excluded.count`
	returnedSQL = `INSERT INTO returned (hour, within, count)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
		ON CONFLICT (hour, within) DO UPDATE SET count = returned.count + excluded.count`

	oldAnsweredSQL = `DELETE FROM answered WHERE (hour, via, verdict, reason) IN (SELECT hour, via, verdict, reason
		FROM answered WHERE hour < $1 AND hour < (SELECT min(hour) FROM answered) + 86400 FOR UPDATE SKIP LOCKED)`
	oldReturnedSQL = `DELETE FROM returned WHERE (hour, within) IN (SELECT hour, within
		FROM returned WHERE hour < $1 AND hour < (SELECT min(hour) FROM returned) + 86400 FOR UPDATE SKIP LOCKED)`
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

// answeredColumns returns the counts as parameters: one array for each column, sorted by
// key, each key once.
func answeredColumns(all []greylist.Answered) []any {
	sums := map[greylist.Answered]int64{}
	for _, a := range all {
		n := a.Count
		a.Count = 0
		sums[a] += n
	}
	var hours, counts []int64
	var via, verdicts, reasons []string
	var keys greylist.History
	for k := range sums {
		keys.Answered = append(keys.Answered, k)
	}
	keys.Sort()
	for _, k := range keys.Answered {
		hours, counts = append(hours, k.Hour), append(counts, sums[k])
		via, verdicts, reasons = append(via, k.Via), append(verdicts, string(k.Verdict)), append(reasons, string(k.Reason))
	}
	return []any{hours, via, verdicts, reasons, counts}
}

func returnedColumns(all []greylist.Returned) []any {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b greylist.Returned) int {
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Within, b.Within))
	})
	var hours, within, counts []int64
	for i, r := range sorted {
		if i > 0 && r.Hour == sorted[i-1].Hour && r.Within == sorted[i-1].Within {
			counts[len(counts)-1] += r.Count
			continue
		}
		hours, within, counts = append(hours, r.Hour), append(within, r.Within), append(counts, r.Count)
	}
	return []any{hours, within, counts}
}

// ExpireHistory implements [greylist.Store].
func (s *Store) ExpireHistory(ctx context.Context, before int64) (removed int, err error) {
	err = s.inTransaction(ctx, func(tx *sql.Tx) error {
		if err := s.mayExpire(); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, oldBatchesSQL); err != nil {
			return err
		}
		removed = 0
		for _, statement := range []string{oldAnsweredSQL, oldReturnedSQL} {
			result, err := tx.ExecContext(ctx, statement, before)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			removed += int(n)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}

// History implements [greylist.Store].
func (s *Store) History(ctx context.Context, since int64) (h greylist.History, err error) {
	err = s.run(ctx, func(db *sql.DB) error {
		h, err = backend.ReadHistory(ctx, db, since)
		return err
	})
	if err != nil {
		return greylist.History{}, err
	}
	h.Sort()
	return h, nil
}
