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

	// oldAnsweredSQL and oldReturnedSQL remove a day's hours at most.
	oldAnsweredSQL = `DELETE FROM answered WHERE hour < $1 AND hour < (SELECT min(hour) FROM answered) + 86400`
	oldReturnedSQL = `DELETE FROM returned WHERE hour < $1 AND hour < (SELECT min(hour) FROM returned) + 86400`
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
			if _, err := tx.change(answeredSQL, a.Hour, a.Via, string(a.Verdict), string(a.Reason), a.Count); err != nil {
				return err
			}
		}
		for _, r := range h.Returned {
			if _, err := tx.change(returnedSQL, r.Hour, r.Within, r.Count); err != nil {
				return err
			}
		}
		for _, u := range h.Used {
			if _, err := tx.change(backend.UsedSQL, u.List, u.Entry, u.At); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}

// ExpireHistory implements [greylist.Store].
func (s *Store) ExpireHistory(ctx context.Context, before int64) (int, error) {
	removed, err := s.changeRows(ctx, func(tx *tx) (int64, error) {
		answered, err := tx.change(oldAnsweredSQL, before)
		if err != nil {
			return 0, err
		}
		returned, err := tx.change(oldReturnedSQL, before)
		return answered + returned, err
	})
	return int(removed), err
}

// History implements [greylist.Store].
func (s *Store) History(ctx context.Context, since int64) (greylist.History, error) {
	db, err := s.reading()
	if err != nil {
		return greylist.History{}, err
	}
	h, err := backend.ReadHistory(ctx, db.readers, since)
	if err != nil {
		return greylist.History{}, s.failed(ctx, err)
	}
	h.Sort()
	return h, nil
}
