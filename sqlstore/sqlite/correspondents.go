package sqlite

import (
	"context"
	"iter"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

const (
	// noteCorrespondentSQL is [greylist.CorrespondentNotes.Merge] in SQL.
	noteCorrespondentSQL = `INSERT INTO correspondent (local, remote, ` + backend.CorrespondentColumns + `) VALUES ($1, $2, $3, $4)
		ON CONFLICT (local, remote) DO UPDATE SET
			first_seen = min(first_seen, excluded.first_seen, $5), last_seen = max(min(last_seen, $5), excluded.last_seen)
		WHERE first_seen > min(excluded.first_seen, $5) OR last_seen <> max(min(last_seen, $5), excluded.last_seen)`

	expireCorrespondentsSQL = `DELETE FROM correspondent WHERE (local, remote) IN
		(SELECT local, remote FROM correspondent WHERE last_seen < $1 LIMIT $2)`
)

// noteCorrespondents merges entries with those that are stored. There may be none.
func (tx *tx) noteCorrespondents(notes *greylist.CorrespondentNotes) error {
	if notes == nil {
		return nil
	}
	for _, r := range notes.Records {
		if _, err := tx.change(noteCorrespondentSQL, r.Local, r.Remote, r.FirstSeen, r.LastSeen, notes.Now); err != nil {
			return err
		}
	}
	return nil
}

// Correspondent implements [greylist.Memory].
func (s *Store) Correspondent(ctx context.Context, c greylist.Correspondent) (*greylist.CorrespondentEntry, error) {
	e := new(greylist.CorrespondentEntry)
	if found, err := s.row(ctx, backend.CorrespondentSQL, backend.CorrespondentFields(e), c.Local, c.Remote); err != nil || !found {
		return nil, err
	}
	return e, nil
}

// Correspondents implements [greylist.Store].
func (s *Store) Correspondents(ctx context.Context) iter.Seq2[greylist.CorrespondentRecord, error] {
	return backend.Correspondents(ctx, s.readers, s.failed)
}

// ForgetCorrespondent implements [greylist.Store].
func (s *Store) ForgetCorrespondent(ctx context.Context, c greylist.Correspondent) (bool, error) {
	removed, err := s.changeRows(ctx, func(tx *tx) (int64, error) { return tx.change(backend.RemoveCorrespondentSQL, c.Local, c.Remote) })
	return removed > 0, err
}

// ExpireCorrespondents implements [greylist.Store].
func (s *Store) ExpireCorrespondents(ctx context.Context, before int64) (int, error) {
	removed, err := s.changeRows(ctx, func(tx *tx) (int64, error) {
		return tx.change(expireCorrespondentsSQL, before, int64(backend.ExpireBatch))
	})
	return int(removed), err
}
