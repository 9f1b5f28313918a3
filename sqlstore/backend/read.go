package backend

import (
	"context"
	"database/sql"
	"errors"

	"greyglass/greylist"
)

const (
	// EntryColumns are the columns of a [greylist.Entry], in the order of [EntryFields].
	EntryColumns = `first_seen, last_seen, coalesce(passed_at, 0), deferred, accepted, coalesce(first_attempt, 0)`

	// GetSQL returns the entry of a key.
	GetSQL = `SELECT ` + EntryColumns + ` FROM triplet WHERE key = $1`

	// RemoveSQL removes a key's row.
	RemoveSQL = `DELETE FROM triplet WHERE key = $1`
)

// EntryFields returns the destinations to scan a row of [EntryColumns] into.
func EntryFields(e *greylist.Entry) []any {
	return []any{&e.FirstSeen, &e.LastSeen, &e.PassedAt, &e.Deferred, &e.Accepted, &e.FirstAttempt}
}

// get returns the entry of a triplet, or nil.
func get(ctx context.Context, db *sql.DB, t greylist.Triplet) (*greylist.Entry, error) {
	k := KeyOf(t)
	var e greylist.Entry
	switch err := db.QueryRowContext(ctx, GetSQL, k[:]).Scan(EntryFields(&e)...); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &e, nil
}

const statsSQL = `SELECT
	count(*) - count(passed_at), count(passed_at),
	coalesce(sum(deferred), 0), coalesce(sum(accepted), 0),
	coalesce(min(CASE WHEN passed_at IS NULL THEN first_seen END), 0), coalesce(max(passed_at), 0),
	(SELECT count(*) FROM client), (SELECT count(*) FROM correspondent)
	FROM triplet`

// stats counts the rows of the tables.
func stats(ctx context.Context, db *sql.DB) (st greylist.Stats, err error) {
	err = db.QueryRowContext(ctx, statsSQL).Scan(
		&st.Waiting, &st.Passed, &st.Deferred, &st.Accepted, &st.OldestWaiting, &st.LatestPassed, &st.Clients, &st.Correspondents)
	return st, err
}
