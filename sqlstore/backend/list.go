package backend

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"greyglass/greylist"
)

// Lists read so many records at a time; of those that a filter may pass over, more. Between
// two pages they hold neither a connection nor a snapshot, so that a slow reader blocks
// nothing.
const (
	listPage     = 1000
	filteredPage = 20_000
)

// List implements [greylist.Store]. Each record is as it was when its page was read; the list
// has no triplets that were added after its beginning.
func (c *Common) List(ctx context.Context, f greylist.Filter) iter.Seq2[greylist.Record, error] {
	return func(yield func(greylist.Record, error) bool) {
		l, err := c.beginList(ctx, f)
		var newest [][]greylist.Record // pages, the newest first
		found := 0
		for err == nil && l.first <= l.last {
			var some []greylist.Record
			if some, err = l.next(ctx); err != nil {
				break
			}
			if f.Limit > 0 { // from the end
				some = some[max(len(some)-(f.Limit-found), 0):]
				newest = append(newest, some)
				if found += len(some); found == f.Limit {
					break
				}
				continue
			}
			for _, r := range some {
				if !yield(r, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(greylist.Record{}, c.db.Failed(ctx, err))
			return
		}
		for _, page := range slices.Backward(newest) {
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// listing is a list in progress.
type listing struct {
	db          *sql.DB
	filter      greylist.Filter
	records     int       // in a page
	first, last int64     // the ids that are still to be read
	empty       []idRange // in which there is nothing
	done        int64     // records looked at, for Progress
}

func (c *Common) beginList(ctx context.Context, f greylist.Filter) (*listing, error) {
	db, err := c.db.Readers()
	if err != nil {
		return nil, err
	}
	l := &listing{db: db, filter: f, records: listPage, first: 1}
	switch where, _ := conditions(f, nil); {
	case hasKey(f):
		l.records = math.MaxInt32
	case where != "" || f.Only != nil:
		l.records = filteredPage
	case f.Limit > 0:
		l.records = min(filteredPage, f.Limit)
	}
	if l.records == filteredPage { // before the greatest id is read: no block has rows that come later
		if l.empty, err = emptyRanges(ctx, db, f); err != nil {
			return nil, err
		}
	}
	err = db.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM triplet`).Scan(&l.last)
	if f.Newest > 0 && !hasKey(f) {
		l.first = max(l.last-f.Newest+1, 1) // ids of records that were removed count, too
	}
	return l, err
}

// skipEmpty skips the empty range that is next, if there is one, and returns the ids that
// follow, up to another. There may be none any more.
func (l *listing) skipEmpty() (first, last int64) {
	if l.filter.Limit > 0 { // from the end
		for n := len(l.empty); n > 0 && l.empty[n-1].last >= l.last; n-- {
			l.last = min(l.last, l.empty[n-1].first-1)
			l.empty = l.empty[:n-1]
		}
		if n := len(l.empty); n > 0 {
			return max(l.first, l.empty[n-1].last+1), l.last
		}
		return l.first, l.last
	}
	for len(l.empty) > 0 && l.empty[0].first <= l.first {
		l.first = max(l.first, l.empty[0].last+1)
		l.empty = l.empty[1:]
	}
	if len(l.empty) > 0 {
		return l.first, min(l.last, l.empty[0].first-1)
	}
	return l.first, l.last
}

// next reads the first page, or, if the list is of the newest, the last one.
func (l *listing) next(ctx context.Context) (some []greylist.Record, err error) {
	first, last := l.skipEmpty()
	if first > last {
		return nil, nil
	}
	read := last - first + 1 // ids; some rows may have been removed
	if read > int64(l.records) {
		order := ""
		if l.filter.Limit > 0 {
			order = " DESC"
		}
		var least, most int64
		err := l.db.QueryRowContext(ctx, `SELECT count(*), coalesce(min(id), 0), coalesce(max(id), 0) FROM
			(SELECT id FROM triplet WHERE id BETWEEN $1 AND $2 ORDER BY id`+order+` LIMIT $3) AS records`, first, last, l.records).Scan(&read, &least, &most)
		switch {
		case err != nil:
			return nil, err
		case read == 0:
			l.advance(first, last)
			return nil, nil
		case l.filter.Limit > 0:
			first = least
		default:
			last = most
		}
	}
	l.done += read
	if some, err = l.read(ctx, first, last); err != nil {
		return nil, err
	}
	l.advance(first, last)
	if l.filter.Progress != nil {
		l.filter.Progress(l.done)
	}
	return some, nil
}

// advance notes that the ids from first to last are read.
func (l *listing) advance(first, last int64) {
	if l.filter.Limit > 0 {
		l.last = first - 1
	} else {
		l.first = last + 1
	}
}

// read reads those records from first to last that the filter selects.
func (l *listing) read(ctx context.Context, first, last int64) (some []greylist.Record, err error) {
	where, args := conditions(l.filter, []any{first, last}, `id BETWEEN $1 AND $2`)
	rows, err := l.db.QueryContext(ctx, `SELECT client, sender, recipient, `+EntryColumns+` FROM triplet`+where+` ORDER BY id`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r greylist.Record
		fields := append([]any{&r.Client, &r.Sender, &r.Recipient}, EntryFields(&r.Entry)...)
		if err := rows.Scan(fields...); err != nil {
			return nil, err
		}
		if l.filter.Matches(r) {
			some = append(some, r)
		}
	}
	return some, rows.Err()
}

// hasKey reports whether the filter is of one triplet or its forms: the key has an index.
func hasKey(f greylist.Filter) bool {
	return f.Client != "" && len(f.Senders) > 0 && len(f.Recipients) > 0 && !f.Either
}

// conditions adds the conditions of the filter to others, with their arguments, and
// returns the WHERE clause, which may be empty.
func conditions(f greylist.Filter, args []any, all ...string) (where string, _ []any) {
	among := func(column string, values []any) (conditions []string) {
		places := make([]string, len(values))
		for i, value := range values {
			args = append(args, value)
			places[i] = "$" + strconv.Itoa(len(args))
		}
		if len(values) > 0 {
			conditions = append(conditions, column+" IN ("+strings.Join(places, ", ")+")")
		}
		return conditions
	}
	if f.Waiting && !f.Passed {
		all = append(all, "passed_at IS NULL")
	}
	if f.Passed && !f.Waiting {
		all = append(all, "passed_at IS NOT NULL")
	}
	// "_" and "%" in a text select more, which Matches leaves out. So does a backslash, which
	// means something in PostgreSQL alone.
	text := func(s string) string { return strings.ReplaceAll(s, `\`, "_") }
	ends := func(end string, columns ...string) {
		if end == "" {
			return
		}
		args = append(args, "%"+text(end))
		place := " LIKE $" + strconv.Itoa(len(args))
		all = append(all, "("+strings.Join(columns, place+" OR ")+place+")")
	}
	ends(f.SenderEnds, "sender")
	ends(f.RecipientEnds, "recipient")
	if f.RecipientLocal != "" {
		args = append(args, f.RecipientLocal, text(f.RecipientLocal)+"@%")
		all = append(all, fmt.Sprintf("(recipient = $%d OR recipient LIKE $%d)", len(args)-1, len(args)))
	}
	if f.EitherDomain != "" {
		args = append(args, "%@"+text(f.EitherDomain), "%."+text(f.EitherDomain))
		all = append(all, fmt.Sprintf("(sender LIKE $%[1]d OR sender LIKE $%[2]d OR recipient LIKE $%[1]d OR recipient LIKE $%[2]d)", len(args)-1, len(args)))
	}
	if f.Since > 0 {
		args = append(args, f.Since)
		all = append(all, "last_seen >= $"+strconv.Itoa(len(args)))
	}
	if hasKey(f) {
		var keys []any
		for _, sender := range f.Senders {
			for _, recipient := range f.Recipients {
				k := KeyOf(greylist.Triplet{Client: f.Client, Sender: sender, Recipient: recipient})
				keys = append(keys, k[:])
			}
		}
		all = append(all, among("key", keys)...)
	} else {
		if f.Client != "" {
			all = append(all, among("client", []any{f.Client})...)
		}
		addresses := append(among("sender", values(f.Senders)), among("recipient", values(f.Recipients))...)
		if f.Either && len(addresses) > 0 {
			addresses = []string{"(" + strings.Join(addresses, " OR ") + ")"}
		}
		all = append(all, addresses...)
	}
	if len(all) == 0 {
		return "", args
	}
	return " WHERE " + strings.Join(all, " AND "), args
}

func values(texts []string) (values []any) {
	for _, text := range texts {
		values = append(values, text)
	}
	return values
}
