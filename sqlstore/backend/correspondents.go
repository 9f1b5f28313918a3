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

	// RemoveCorrespondentSQL removes a correspondent.
	RemoveCorrespondentSQL = `DELETE FROM correspondent WHERE local = $1 AND remote = $2`
)

// CorrespondentFields returns where the values of [CorrespondentColumns] are.
func CorrespondentFields(e *greylist.CorrespondentEntry) []*int64 {
	return []*int64{&e.FirstSeen, &e.LastSeen}
}

// Correspondents implements [greylist.Store] Correspondents.
func Correspondents(ctx context.Context, readers func() (*sql.DB, error), failed func(context.Context, error) error) iter.Seq2[greylist.CorrespondentRecord, error] {
	return pages(ctx, readers, failed, func(ctx context.Context, db *sql.DB, last greylist.CorrespondentRecord, page []greylist.CorrespondentRecord) ([]greylist.CorrespondentRecord, error) {
		return appendRows(ctx, db, page, func(r *greylist.CorrespondentRecord) []any {
			return integers(CorrespondentFields(&r.CorrespondentEntry), &r.Local, &r.Remote)
		}, `SELECT local, remote, `+CorrespondentColumns+` FROM correspondent WHERE (local, remote) > ($1, $2) ORDER BY local, remote LIMIT `+strconv.Itoa(listPage),
			last.Local, last.Remote)
	})
}
