package sqlite

import (
	"context"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

const (
	// answeredSQL and returnedSQL add, so that several daemons can count into
	// one database.
	answeredSQL = `INSERT INTO answered (hour, via, verdict, reason, count) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (hour, via, verdict, reason) DO UPDATE SET count = answered.count + excluded.count`
	returnedSQL = `INSERT INTO returned (hour, within, count) VALUES ($1, $2, $3)
		ON CONFLICT (hour, within) DO UPDATE SET count = returned.count + excluded.count`
)

// Record implements [greylist.Store]. A caller whose context ends does not know whether
// its batch was committed, and sends it again. The writer knows: no other program has
// that daemon's batches.
func (s *Store) Record(ctx context.Context, h greylist.History) error {
	return s.writer.do(ctx, func(tx *tx) error {
		if h.Batch.Number > 0 {
			if h.Batch.Number <= max(s.writer.recorded[h.Batch.Daemon], tx.recorded[h.Batch.Daemon]) {
				return nil
			}
			if tx.recorded == nil {
				tx.recorded = make(map[string]int64)
			}
			tx.recorded[h.Batch.Daemon] = h.Batch.Number
		}
		for _, a := range h.Answered {
			if _, err := tx.Change(answeredSQL, a.Hour, a.Via, string(a.Verdict), string(a.Reason), a.Count); err != nil {
				return err
			}
		}
		for _, r := range h.Returned {
			if _, err := tx.Change(returnedSQL, r.Hour, r.Within, r.Count); err != nil {
				return err
			}
		}
		for _, u := range h.Used {
			if _, err := tx.Change(backend.UsedSQL, u.List, u.Entry, u.At); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}
