package backend

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"strconv"

	"greyglass/greylist"
)

const (
	// ClientColumns are the columns of a [greylist.ClientEntry], in the order of
	// [ClientFields].
	ClientColumns = `first_passed, counted_at, passed, last_seen`

	// ClientSQL returns the entry of a client.
	ClientSQL = `SELECT ` + ClientColumns + ` FROM client WHERE client = $1`

	// RemoveClientSQL removes a client.
	RemoveClientSQL = `DELETE FROM client WHERE client = $1`
)

// ClientFields returns where the values of [ClientColumns] are.
func ClientFields(e *greylist.ClientEntry) []*int64 {
	return []*int64{&e.FirstPassed, &e.CountedAt, &e.Passed, &e.LastSeen}
}

// scanClient scans a row of columns that ClientColumns end.
func scanClient(scan func(...any) error, e *greylist.ClientEntry, before ...any) error {
	for _, field := range ClientFields(e) {
		before = append(before, field)
	}
	return scan(before...)
}

// Client returns the entry of a client, or nil.
func Client(ctx context.Context, db *sql.DB, client string) (*greylist.ClientEntry, error) {
	var e greylist.ClientEntry
	switch err := scanClient(db.QueryRowContext(ctx, ClientSQL, client).Scan, &e); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &e, nil
}

// Clients implements [greylist.Store] Clients, as [List] does List.
func Clients(ctx context.Context, readers func() (*sql.DB, error), failed func(context.Context, error) error) iter.Seq2[greylist.ClientRecord, error] {
	return func(yield func(greylist.ClientRecord, error) bool) {
		db, err := readers()
		page := make([]greylist.ClientRecord, 0, listPage)
		for last := ""; err == nil; last = page[len(page)-1].Client {
			if page, err = readClients(ctx, db, last, page[:0]); err != nil {
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
		yield(greylist.ClientRecord{}, failed(ctx, err))
	}
}

// readClients appends the clients behind one to the page.
func readClients(ctx context.Context, db *sql.DB, last string, page []greylist.ClientRecord) ([]greylist.ClientRecord, error) {
	rows, err := db.QueryContext(ctx, `SELECT client, `+ClientColumns+` FROM client WHERE client > $1 ORDER BY client LIMIT `+strconv.Itoa(listPage), last)
	if err != nil {
		return page, err
	}
	defer rows.Close()
	for rows.Next() {
		var r greylist.ClientRecord
		if err := scanClient(rows.Scan, &r.ClientEntry, &r.Client); err != nil {
			return page, err
		}
		page = append(page, r)
	}
	return page, rows.Err()
}
