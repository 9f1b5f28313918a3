package backend

import (
	"context"
	"database/sql"
	"iter"
	"strconv"
	"strings"

	"greyglass/greylist"
)

// listPage is how many records List reads at a time. Between two pages it holds neither a
// connection nor a snapshot, so that a slow reader blocks nothing.
const listPage = 1000

// List implements [greylist.Store] List with the connections that readers returns. Each
// record is as it was when its page was read; the list has no triplets that were added
// after its beginning. failed converts the error that is yielded.
func List(ctx context.Context, f greylist.Filter, readers func() (*sql.DB, error),
	failed func(context.Context, error) error) iter.Seq2[greylist.Record, error] {
	return func(yield func(greylist.Record, error) bool) {
		var from, to int64
		db, err := readers()
		if err == nil {
			from, to, err = listRange(ctx, db, f)
		}
		left := f.Limit
		for err == nil && from <= to {
			var page []greylist.Record
			page, from, err = readPage(ctx, db, f, from, to)
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
			if len(page) < listPage {
				break
			}
		}
		if err != nil {
			yield(greylist.Record{}, failed(ctx, err))
		}
	}
}

// listRange returns the first and the last id of the list.
func listRange(ctx context.Context, db *sql.DB, f greylist.Filter) (from, to int64, err error) {
	if f.Limit <= 0 {
		err = db.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM triplet`).Scan(&to)
		return 1, to, err
	}
	where, args := conditions(f, nil)
	args = append(args, f.Limit)
	err = db.QueryRowContext(ctx, `SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM
		(SELECT id FROM triplet`+where+` ORDER BY id DESC LIMIT $`+strconv.Itoa(len(args))+`) AS newest`,
		args...).Scan(&from, &to)
	return from, to, err
}

// readPage returns the first records of the range, and where the next page begins.
func readPage(ctx context.Context, db *sql.DB, f greylist.Filter, from, to int64) (page []greylist.Record, next int64, err error) {
	where, args := conditions(f, []any{from, to}, `id >= $1`, `id <= $2`)
	rows, err := db.QueryContext(ctx, `SELECT id, client, sender, recipient, `+EntryColumns+
		` FROM triplet`+where+` ORDER BY id LIMIT `+strconv.Itoa(listPage), args...)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var r greylist.Record
		fields := append([]any{&next, &r.Client, &r.Sender, &r.Recipient}, EntryFields(&r.Entry)...)
		if err := rows.Scan(fields...); err != nil {
			return nil, 0, err
		}
		page = append(page, r)
	}
	return page, next + 1, rows.Err()
}

// conditions adds the conditions of the filter to others, with their arguments, and
// returns the WHERE clause, which may be empty.
func conditions(f greylist.Filter, args []any, all ...string) (where string, _ []any) {
	among := func(column string, values []any) {
		places := make([]string, len(values))
		for i, value := range values {
			args = append(args, value)
			places[i] = "$" + strconv.Itoa(len(args))
		}
		if len(values) > 0 {
			all = append(all, column+" IN ("+strings.Join(places, ", ")+")")
		}
	}
	if f.Waiting && !f.Passed {
		all = append(all, "passed_at IS NULL")
	}
	if f.Passed && !f.Waiting {
		all = append(all, "passed_at IS NOT NULL")
	}
	if f.Client != "" && len(f.Senders) > 0 && len(f.Recipients) > 0 { // the key has an index
		var keys []any
		for _, sender := range f.Senders {
			for _, recipient := range f.Recipients {
				k := KeyOf(greylist.Triplet{Client: f.Client, Sender: sender, Recipient: recipient})
				keys = append(keys, k[:])
			}
		}
		among("key", keys)
	} else {
		for _, c := range []struct {
			column string
			values []string
		}{{"client", []string{f.Client}}, {"sender", f.Senders}, {"recipient", f.Recipients}} {
			var values []any
			for _, value := range c.values {
				if value != "" {
					values = append(values, value)
				}
			}
			among(c.column, values)
		}
	}
	if len(all) == 0 {
		return "", args
	}
	return " WHERE " + strings.Join(all, " AND "), args
}
