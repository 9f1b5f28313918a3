package backend

import (
	"context"
	"database/sql"
	"iter"
	"strconv"

	"greyglass/greylist"
)

const (
	// CorrespondentColumns are the columns of a [greylist.CorrespondentEntry], in the order
	// of [CorrespondentFields].
	CorrespondentColumns = `first_seen, last_seen`

	// CorrespondentSQL returns the entry of a correspondent.
	CorrespondentSQL = `SELECT ` + CorrespondentColumns + ` FROM correspondent WHERE local = $1 AND remote = $2`
)

// CorrespondentFields returns where the values of [CorrespondentColumns] are.
func CorrespondentFields(e *greylist.CorrespondentEntry) []*int64 {
	return []*int64{&e.FirstSeen, &e.LastSeen}
}

// Correspondents implements [greylist.Store].
func (c *Common) Correspondents(ctx context.Context) iter.Seq2[greylist.CorrespondentRecord, error] {
	return pages(ctx, c.db, func(ctx context.Context, db *sql.DB, last greylist.CorrespondentRecord) ([]greylist.CorrespondentRecord, error) {
		return queryAll(ctx, db, func(r *greylist.CorrespondentRecord) []any {
			return integers(CorrespondentFields(&r.CorrespondentEntry), &r.Local, &r.Remote)
		}, `SELECT local, remote, `+CorrespondentColumns+` FROM correspondent WHERE (local, remote) > ($1, $2) ORDER BY local, remote LIMIT `+strconv.Itoa(listPage),
			last.Local, last.Remote)
	})
}

// ForgetCorrespondent implements [greylist.Store].
func (c *Common) ForgetCorrespondent(ctx context.Context, who greylist.Correspondent) (bool, error) {
	removed, err := c.change(ctx, `DELETE FROM correspondent WHERE local = $1 AND remote = $2`, who.Local, who.Remote)
	return removed > 0, err
}

// ExpireCorrespondents implements [greylist.Store].
func (c *Common) ExpireCorrespondents(ctx context.Context, before int64) (int, error) {
	return c.expire(ctx, `WITH old AS MATERIALIZED (SELECT local, remote FROM correspondent WHERE last_seen < $1 LIMIT $2`+c.skipLocked+`)
		DELETE FROM correspondent WHERE (local, remote) IN (SELECT local, remote FROM old)`, before, int64(ExpireBatch))
}
