package backend

import (
	"context"
	"database/sql"

	"greyglass/greylist"
)

const (
	getAnsweredSQL = `SELECT hour, via, verdict, reason, count FROM answered WHERE hour >= $1`
	getUsedSQL     = `SELECT list, entry, used_at FROM entry_used`
	getReturnedSQL = `SELECT hour, within, count FROM returned WHERE hour >= $1`
)

// UsedSQL notes when an entry of a list was last used.
const UsedSQL = `INSERT INTO entry_used (list, entry, used_at) VALUES ($1, $2, $3)
	ON CONFLICT (list, entry) DO UPDATE SET used_at = excluded.used_at WHERE entry_used.used_at < excluded.used_at`

// ReadHistory reads the history, in no order.
func ReadHistory(ctx context.Context, db *sql.DB, since int64) (h greylist.History, err error) {
	rows, err := db.QueryContext(ctx, getAnsweredSQL, since)
	if err != nil {
		return h, err
	}
	defer rows.Close()
	for rows.Next() {
		var a greylist.Answered
		if err := rows.Scan(&a.Hour, &a.Via, &a.Verdict, &a.Reason, &a.Count); err != nil {
			return h, err
		}
		h.Answered = append(h.Answered, a)
	}
	if err := rows.Err(); err != nil {
		return h, err
	}
	rows, err = db.QueryContext(ctx, getReturnedSQL, since)
	if err != nil {
		return h, err
	}
	defer rows.Close()
	for rows.Next() {
		var r greylist.Returned
		if err := rows.Scan(&r.Hour, &r.Within, &r.Count); err != nil {
			return h, err
		}
		h.Returned = append(h.Returned, r)
	}
	if err := rows.Err(); err != nil {
		return h, err
	}
	rows, err = db.QueryContext(ctx, getUsedSQL)
	if err != nil {
		return h, err
	}
	defer rows.Close()
	for rows.Next() {
		var u greylist.Used
		if err := rows.Scan(&u.List, &u.Entry, &u.At); err != nil {
			return h, err
		}
		h.Used = append(h.Used, u)
	}
	return h, rows.Err()
}
