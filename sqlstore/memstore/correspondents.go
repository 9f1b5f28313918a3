package memstore

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
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
func (s *Store) Correspondent(ctx context.Context, c greylist.Correspondent) (found *greylist.CorrespondentEntry, err error) {
	err = s.use(ctx, func() {
		if e, known := s.correspondents[c]; known {
			found = &e
		}
	})
	return found, err
}

// Correspondents implements [greylist.Store].
func (s *Store) Correspondents(ctx context.Context) iter.Seq2[greylist.CorrespondentRecord, error] {
	return func(yield func(greylist.CorrespondentRecord, error) bool) {
		var all []greylist.CorrespondentRecord
		err := s.use(ctx, func() {
			for _, c := range slices.SortedFunc(maps.Keys(s.correspondents), byOctets) {
				all = append(all, greylist.CorrespondentRecord{Correspondent: c, CorrespondentEntry: s.correspondents[c]})
			}
		})
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
		if err != nil {
			yield(greylist.CorrespondentRecord{}, err)
		}
	}
}

func byOctets(a, b greylist.Correspondent) int {
	return cmp.Or(cmp.Compare(a.Local, b.Local), cmp.Compare(a.Remote, b.Remote))
}

// ForgetCorrespondent implements [greylist.Store].
func (s *Store) ForgetCorrespondent(ctx context.Context, c greylist.Correspondent) (known bool, err error) {
	err = s.use(ctx, func() {
		_, known = s.correspondents[c]
		delete(s.correspondents, c)
	})
	return known, err
}

// ExpireCorrespondents implements [greylist.Store].
func (s *Store) ExpireCorrespondents(ctx context.Context, before int64) (removed int, err error) {
	err = s.use(ctx, func() {
		for c, e := range s.correspondents {
			if e.LastSeen < before && removed < backend.ExpireBatch {
				delete(s.correspondents, c)
				removed++
			}
		}
	})
	return removed, err
}
