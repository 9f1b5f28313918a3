package backend

import (
	"context"
	"database/sql"
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

// Clients implements [greylist.Store] Clients.
func Clients(ctx context.Context, readers func() (*sql.DB, error), failed func(context.Context, error) error) iter.Seq2[greylist.ClientRecord, error] {
	return pages(ctx, readers, failed, func(ctx context.Context, db *sql.DB, last greylist.ClientRecord, page []greylist.ClientRecord) ([]greylist.ClientRecord, error) {
		return appendRows(ctx, db, page, func(r *greylist.ClientRecord) []any { return integers(ClientFields(&r.ClientEntry), &r.Client) },
			`SELECT client, `+ClientColumns+` FROM client WHERE client > $1 ORDER BY client LIMIT `+strconv.Itoa(listPage), last.Client)
	})
}
