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
)

// ClientFields returns where the values of [ClientColumns] are.
func ClientFields(e *greylist.ClientEntry) []*int64 {
	return []*int64{&e.FirstPassed, &e.CountedAt, &e.Passed, &e.LastSeen}
}

// Clients implements [greylist.Store].
func (c *Common) Clients(ctx context.Context) iter.Seq2[greylist.ClientRecord, error] {
	return pages(ctx, c.db, func(ctx context.Context, db *sql.DB, last greylist.ClientRecord) ([]greylist.ClientRecord, error) {
		return queryAll(ctx, db, func(r *greylist.ClientRecord) []any { return integers(ClientFields(&r.ClientEntry), &r.Client) },
			`SELECT client, `+ClientColumns+` FROM client WHERE client > $1 ORDER BY client LIMIT `+strconv.Itoa(listPage), last.Client)
	})
}

// ForgetClient implements [greylist.Store].
func (c *Common) ForgetClient(ctx context.Context, client string) (bool, error) {
	removed, err := c.db.Change(ctx, func(tx Transaction) (int64, error) {
		tx.ClientsChange(client)
		return tx.Change(`DELETE FROM client WHERE client = $1`, client)
	})
	return removed > 0, err
}

// ExpireClients implements [greylist.Store].
func (c *Common) ExpireClients(ctx context.Context, before int64) (int, error) {
	if err := c.db.MayExpire(); err != nil {
		return 0, err
	}
	removed, err := c.db.Change(ctx, func(tx Transaction) (int64, error) {
		n, err := tx.Change(`WITH old AS MATERIALIZED (SELECT client FROM client WHERE last_seen < $1 LIMIT $2`+c.skipLocked+`)
			DELETE FROM client WHERE client IN (SELECT client FROM old)`, before, int64(ExpireBatch))
		if n > 0 {
			tx.ClientsChange()
		}
		return n, err
	})
	return int(removed), err
}
