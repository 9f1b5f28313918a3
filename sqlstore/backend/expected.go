package backend

import (
	"context"
	"database/sql"

	"greyglass/greylist"
)

const (
	// expectSQL adds an expectation or replaces it, unless there are $6 others, that is
	// [greylist.MaxExpected]. It changes one row or none.
	expectSQL = `INSERT INTO expected (recipient, sender, since, until, once)
		SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM expected WHERE NOT (recipient = $1 AND sender = $2)) < $6
		ON CONFLICT (recipient, sender) DO UPDATE SET since = excluded.since, until = excluded.until, once = excluded.once, used_at = NULL`

	endedSQL = `DELETE FROM expected WHERE until <= $1`
)

// Expected implements [greylist.Memory].
func (c *Common) Expected(ctx context.Context) (all []greylist.Expectation, err error) {
	err = c.db.Read(ctx, func(db *sql.DB) error {
		all, err = queryAll(ctx, db, func(e *greylist.Expectation) []any {
			return []any{&e.Recipient, &e.Sender, &e.Since, &e.Until, &e.Once, &e.UsedAt}
		}, `SELECT recipient, sender, since, until, once, coalesce(used_at, 0) FROM expected ORDER BY recipient, sender`)
		return err
	})
	return all, err
}

// UseExpected implements [greylist.Memory].
func (c *Common) UseExpected(ctx context.Context, e greylist.Expectation, now int64) (bool, error) {
	used, err := c.change(ctx, `UPDATE expected SET used_at = $3
		WHERE recipient = $1 AND sender = $2 AND once AND used_at IS NULL AND until > $3`, e.Recipient, e.Sender, now)
	return used > 0, err
}

// Expect implements [greylist.Store].
func (c *Common) Expect(ctx context.Context, e greylist.Expectation) error {
	added, err := c.db.Change(ctx, func(tx Transaction) (int64, error) {
		if _, err := tx.Change(endedSQL, e.Since); err != nil {
			return 0, err
		}
		return tx.Change(expectSQL, e.Recipient, e.Sender, e.Since, e.Until, e.Once, int64(greylist.MaxExpected))
	})
	if err == nil && added == 0 {
		return greylist.ErrManyExpected
	}
	return err
}

// CancelExpected implements [greylist.Store].
func (c *Common) CancelExpected(ctx context.Context, recipient, sender string) (bool, error) {
	removed, err := c.change(ctx, `DELETE FROM expected WHERE recipient = $1 AND sender = $2`, recipient, sender)
	return removed > 0, err
}

// ExpireExpected implements [greylist.Store].
func (c *Common) ExpireExpected(ctx context.Context, now int64) (int, error) {
	return c.expire(ctx, endedSQL, now)
}
