package sqlstore

import (
	"context"
	"os"

	"greyglass/greylist"
)

// Get implements [greylist.Memory].
func (s *store) Get(ctx context.Context, t greylist.Triplet) (*greylist.Entry, error) {
	k := keyOf(t)
	e, err := scanEntry(s.readers.QueryRowContext(ctx, getSQL, k[:]))
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return e, nil
}

const statsSQL = `SELECT
	count(*) - count(passed_at), count(passed_at),
	coalesce(sum(deferred), 0), coalesce(sum(accepted), 0),
	coalesce(min(CASE WHEN passed_at IS NULL THEN first_seen END), 0), coalesce(max(passed_at), 0)
	FROM triplet`

// Stats implements [greylist.Store]. It reads the whole table.
func (s *store) Stats(ctx context.Context) (greylist.Stats, error) {
	var st greylist.Stats
	err := s.readers.QueryRowContext(ctx, statsSQL).Scan(
		&st.Waiting, &st.Passed, &st.Deferred, &st.Accepted, &st.OldestWaiting, &st.LatestPassed)
	if err != nil {
		return greylist.Stats{}, s.failed(ctx, err)
	}
	for _, file := range []string{s.path, walOf(s.path)} {
		if info, err := os.Stat(file); err == nil {
			st.Bytes += info.Size()
		}
	}
	return st, nil
}

// failed is the error of a method whose statement failed with err.
func (s *store) failed(ctx context.Context, err error) error {
	if s.closed() {
		return greylist.ErrClosed
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
