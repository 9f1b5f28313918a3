package backend

import (
	"context"
	"database/sql"

	"greyglass/greylist"
)

const (
	// ExpectSQL adds an expectation or replaces it, unless there are $6 others, that is
	// [greylist.MaxExpected]. It changes one row or none.
	ExpectSQL = `INSERT INTO expected (recipient, sender, since, until, once)
		SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM expected WHERE NOT (recipient = $1 AND sender = $2)) < $6
		ON CONFLICT (recipient, sender) DO UPDATE SET since = excluded.since, until = excluded.until, once = excluded.once, used_at = NULL`

	// UseExpectedSQL marks an expectation as used. It changes one row or none.
	UseExpectedSQL = `UPDATE expected SET used_at = $3 WHERE recipient = $1 AND sender = $2 AND once = $4 AND used_at IS NULL AND until > $3`

	// CancelExpectedSQL removes an expectation.
	CancelExpectedSQL = `DELETE FROM expected WHERE recipient = $1 AND sender = $2`

	// EndedSQL removes the expectations that have ended.
	EndedSQL = `DELETE FROM expected WHERE until <= $1`

	expectedSQL = `SELECT recipient, sender, since, until, once, coalesce(used_at, 0) FROM expected ORDER BY recipient, sender`
)

// Expected returns the expectations.
func Expected(ctx context.Context, db *sql.DB) (all []greylist.Expectation, err error) {
	rows, err := db.QueryContext(ctx, expectedSQL)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e greylist.Expectation
		if err := rows.Scan(&e.Recipient, &e.Sender, &e.Since, &e.Until, &e.Once, &e.UsedAt); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, rows.Err()
}
