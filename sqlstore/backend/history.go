package backend

import (
	"context"
	"database/sql"

	"greyglass/greylist"
)

// UsedSQL notes when an entry of a list was last used.
const UsedSQL = `INSERT INTO entry_used (list, entry, used_at) VALUES ($1, $2, $3)
	ON CONFLICT (list, entry) DO UPDATE SET used_at = excluded.used_at WHERE entry_used.used_at < excluded.used_at`

// History implements [greylist.Store].
func (c *Common) History(ctx context.Context, since int64) (h greylist.History, err error) {
	err = c.db.Read(ctx, func(db *sql.DB) error {
		h, err = history(ctx, db, since)
		return err
	})
	h.Sort()
	return h, err
}

// history reads the history, in no order.
func history(ctx context.Context, db *sql.DB, since int64) (h greylist.History, err error) {
	h.Answered, err = queryAll(ctx, db, func(a *greylist.Answered) []any {
		return []any{&a.Hour, &a.Via, &a.Verdict, &a.Reason, &a.Count}
	}, `SELECT hour, via, verdict, reason, count FROM answered WHERE hour >= $1`, since)
	if err != nil {
		return h, err
	}
	h.Returned, err = queryAll(ctx, db, func(r *greylist.Returned) []any {
		return []any{&r.Hour, &r.Within, &r.Count}
	}, `SELECT hour, within, count FROM returned WHERE hour >= $1`, since)
	if err != nil {
		return h, err
	}
	h.Used, err = queryAll(ctx, db, func(u *greylist.Used) []any {
		return []any{&u.List, &u.Entry, &u.At}
	}, `SELECT list, entry, used_at FROM entry_used`)
	return h, err
}

// ExpireHistory implements [greylist.Store]. It removes a day's hours at most.
func (c *Common) ExpireHistory(ctx context.Context, before int64) (int, error) {
	if err := c.db.MayExpire(); err != nil {
		return 0, err
	}
	removed, err := c.db.Change(ctx, func(tx Transaction) (int64, error) {
		answered, err := tx.Change(`DELETE FROM answered WHERE (hour, via, verdict, reason) IN (SELECT hour, via, verdict, reason
			FROM answered WHERE hour < $1 AND hour < (SELECT min(hour) FROM answered) + 86400`+c.skipLocked+`)`, before)
		if err != nil {
			return 0, err
		}
		returned, err := tx.Change(`DELETE FROM returned WHERE (hour, within) IN (SELECT hour, within
			FROM returned WHERE hour < $1 AND hour < (SELECT min(hour) FROM returned) + 86400`+c.skipLocked+`)`, before)
		return answered + returned, err
	})
	return int(removed), err
}
