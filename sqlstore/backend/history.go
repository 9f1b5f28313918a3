package backend

import (
	"context"
	"database/sql"

	"greyglass/greylist"
)

const (
	getAnsweredSQL = `SELECT hour, via, verdict, reason, count FROM answered WHERE hour >= $1`
	getReturnedSQL = `SELECT hour, within, count FROM returned WHERE hour >= $1`
)

// ReadHistory reads the counts, in no order.
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
	return h, rows.Err()
}
