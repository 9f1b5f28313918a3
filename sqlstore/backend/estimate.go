package backend

import (
	"context"
	"database/sql"

	"greyglass/greylist"
)

const (
	// exactUpTo is up to how many ids a table is counted as a whole; that takes about half
	// a second.
	exactUpTo = 1_000_000

	// Of a larger one, so many samples are counted, each of so many ids.
	samples   = 400
	sampleIDs = 500
)

// sampleSQL counts a sample as statsSQL counts the table.
const sampleSQL = `SELECT count(*) - count(passed_at), count(passed_at), coalesce(sum(deferred), 0), coalesce(sum(accepted), 0)
	FROM triplet WHERE id >= $1 AND id < $2`

// Estimate implements [greylist.Estimating].
func (c *Common) Estimate(ctx context.Context) (st greylist.Stats, estimated bool, err error) {
	err = c.db.Read(ctx, func(db *sql.DB) error {
		if st, estimated, err = estimate(ctx, db, exactUpTo, samples, sampleIDs); err == nil {
			st.Bytes, err = c.db.Size(ctx, db)
		}
		return err
	})
	return st, estimated, err
}

// estimate counts a small table. In a large one it estimates the numbers of triplets and of
// answers by samples from all over it, without the oldest and the latest, and reports that.
// Ids are given in rising order, and rows leave gaps among them.
func estimate(ctx context.Context, db *sql.DB, exactUpTo, samples, sampleIDs int64) (st greylist.Stats, estimated bool, err error) {
	var first, last int64
	err = db.QueryRowContext(ctx, `SELECT coalesce((SELECT min(id) FROM triplet), 0), coalesce((SELECT max(id) FROM triplet), 0),
		(SELECT count(*) FROM client), (SELECT count(*) FROM correspondent)`).Scan(&first, &last, &st.Clients, &st.Correspondents)
	if err != nil {
		return st, false, err
	}
	ids := last - first + 1
	if ids <= exactUpTo {
		st, err = stats(ctx, db)
		return st, false, err
	}
	for i := range samples {
		begin := first + (ids-sampleIDs)*i/(samples-1)
		var waiting, passed, deferred, accepted int64
		if err := db.QueryRowContext(ctx, sampleSQL, begin, begin+sampleIDs).Scan(&waiting, &passed, &deferred, &accepted); err != nil {
			return st, false, err
		}
		st.Waiting += waiting
		st.Passed += passed
		st.Deferred += deferred
		st.Accepted += accepted
	}
	for _, n := range []*int64{&st.Waiting, &st.Passed, &st.Deferred, &st.Accepted} {
		*n = int64(float64(*n) / float64(samples*sampleIDs) * float64(ids))
	}
	return st, true, nil
}
