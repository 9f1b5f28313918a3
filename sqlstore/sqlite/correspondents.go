package sqlite

import (
	"context"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// noteCorrespondentSQL is [greylist.CorrespondentNotes.Merge] in SQL.
const noteCorrespondentSQL = `INSERT INTO correspondent (local, remote, ` + backend.CorrespondentColumns + `) VALUES ($1, $2, $3, $4)
	ON CONFLICT (local, remote) DO UPDATE SET
		first_seen = min(first_seen, excluded.first_seen, $5), last_seen = max(min(last_seen, $5), excluded.last_seen)
	WHERE first_seen > min(excluded.first_seen, $5) OR last_seen <> max(min(last_seen, $5), excluded.last_seen)`

// noteCorrespondents merges entries with those that are stored. There may be none.
func (tx *tx) noteCorrespondents(notes *greylist.CorrespondentNotes) error {
	if notes == nil {
		return nil
	}
	for _, r := range notes.Records {
		if _, err := tx.Change(noteCorrespondentSQL, r.Local, r.Remote, r.FirstSeen, r.LastSeen, notes.Now); err != nil {
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
