package backend

import (
	"context"
	"database/sql"
	"iter"
)

// pages yields rows in the order of their keys, as [List] does: read appends the page
// after a row to an empty one.
func pages[R any](ctx context.Context, readers func() (*sql.DB, error), failed func(context.Context, error) error,
	read func(ctx context.Context, db *sql.DB, last R, page []R) ([]R, error)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var none R
		db, err := readers()
		page := make([]R, 0, listPage)
		for last := none; err == nil; last = page[len(page)-1] {
			if page, err = read(ctx, db, last, page[:0]); err != nil {
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
		}
		yield(none, failed(ctx, err))
	}
}

// appendRows appends the rows of a query to the page; fields returns the destinations of
// one row.
func appendRows[R any](ctx context.Context, db *sql.DB, page []R, fields func(*R) []any, query string, args ...any) ([]R, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return page, err
	}
	defer rows.Close()
	for rows.Next() {
		var r R
		if err := rows.Scan(fields(&r)...); err != nil {
			return page, err
		}
		page = append(page, r)
	}
	return page, rows.Err()
}

// integers are destinations of columns, after others.
func integers(fields []*int64, before ...any) []any {
	for _, field := range fields {
		before = append(before, field)
	}
	return before
}
