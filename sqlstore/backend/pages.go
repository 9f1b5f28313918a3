package backend

import (
	"context"
	"database/sql"
	"iter"
)

// pages yields rows in the order of their keys, as [Common.List] does: read returns the page
// after a row.
func pages[R any](ctx context.Context, in Database, read func(ctx context.Context, db *sql.DB, last R) ([]R, error)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var last, none R
		db, err := in.Readers()
		for err == nil {
			var page []R
			if page, err = read(ctx, db, last); err != nil {
				break
			}
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
			if len(page) < listPage {
				return
			}
			last = page[len(page)-1]
		}
		yield(none, in.Failed(ctx, err))
	}
}

// queryAll returns all rows of a query; fields returns the destinations of one row.
func queryAll[R any](ctx context.Context, db *sql.DB, fields func(*R) []any, query string, args ...any) (all []R, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r R
		if err := rows.Scan(fields(&r)...); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// integers are destinations of columns, after others.
func integers(fields []*int64, before ...any) []any {
	for _, field := range fields {
		before = append(before, field)
	}
	return before
}
