package memstore

import (
	"cmp"
	"context"
	"iter"

	"greyglass/greylist"
)

// noteCorrespondents merges entries with those that are stored.
func (m *memory) noteCorrespondents(notes greylist.CorrespondentNotes) {
	for _, r := range notes.Records {
		e := r.CorrespondentEntry
		if there, known := m.correspondents[r.Correspondent]; known {
			e = notes.Merge(there, e)
		}
		m.correspondents[r.Correspondent] = e
	}
}

// Correspondent implements [greylist.Memory].
func (s *Store) Correspondent(ctx context.Context, c greylist.Correspondent) (*greylist.CorrespondentEntry, error) {
	return get(ctx, s, s.correspondents, c)
}

// Correspondents implements [greylist.Store].
func (s *Store) Correspondents(ctx context.Context) iter.Seq2[greylist.CorrespondentRecord, error] {
	return list(ctx, s, s.correspondents, byOctets, func(c greylist.Correspondent, e greylist.CorrespondentEntry) greylist.CorrespondentRecord {
		return greylist.CorrespondentRecord{Correspondent: c, CorrespondentEntry: e}
	})
}

func byOctets(a, b greylist.Correspondent) int {
	return cmp.Or(cmp.Compare(a.Local, b.Local), cmp.Compare(a.Remote, b.Remote))
}

// ForgetCorrespondent implements [greylist.Store].
func (s *Store) ForgetCorrespondent(ctx context.Context, c greylist.Correspondent) (bool, error) {
	return forget(ctx, s, s.correspondents, c)
}

// ExpireCorrespondents implements [greylist.Store].
func (s *Store) ExpireCorrespondents(ctx context.Context, before int64) (int, error) {
	return expire(ctx, s, s.correspondents, func(e greylist.CorrespondentEntry) bool { return e.LastSeen < before })
}
