package memstore

import (
	"context"
	"iter"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// listPage is how many rows List reads at a time, so that updates do not wait.
const listPage = 1000

// List implements [greylist.Store]. Each record is as it was when its page was read; the
// list has no triplets that were added after its beginning.
func (s *Store) List(ctx context.Context, f greylist.Filter) iter.Seq2[greylist.Record, error] {
	return func(yield func(greylist.Record, error) bool) {
		var cursor, last int64
		err := s.use(ctx, func() {
			last = s.last
			if f.Newest > 0 {
				cursor = max(last-f.Newest, 0)
			}
			if f.Limit > 0 {
				cursor = max(cursor, s.newest(f))
			}
		})
		for err == nil && cursor < last {
			var page []greylist.Record
			if err = s.use(ctx, func() { page, cursor = s.page(f, cursor, last) }); err != nil {
				break
			}
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(greylist.Record{}, err)
		}
	}
}

// newest returns the id behind which the newest of a filter's records are, as many as
// it is limited to.
func (m *memory) newest(f greylist.Filter) int64 {
	left := f.Limit
	for i := len(m.order) - 1; i >= 0; i-- {
		if r := m.order[i]; !r.removed && f.Matches(r.Record) {
			if left--; left == 0 {
				return r.id - 1
			}
		}
	}
	return 0
}

// page returns the matching rows after the cursor, and the next cursor.
func (m *memory) page(f greylist.Filter, cursor, last int64) (page []greylist.Record, next int64) {
	rows := m.behind(cursor)
	rows = rows[:min(len(rows), listPage)]
	for _, r := range rows {
		if r.id <= last && !r.removed && f.Matches(r.Record) {
			page = append(page, r.Record)
		}
	}
	if len(rows) < listPage {
		return page, last
	}
	return page, rows[len(rows)-1].id
}

// Expire implements [greylist.Store]. The cursor is the id of the last row looked at.
func (s *Store) Expire(ctx context.Context, c greylist.Cutoffs, cursor int64) (removed int, next int64, err error) {
	err = s.use(ctx, func() {
		rows := s.behind(cursor)
		if len(rows) > backend.ExpireBatch {
			rows = rows[:backend.ExpireBatch]
			next = rows[len(rows)-1].id
		}
		var expired []*row
		for _, r := range rows {
			if !r.removed && c.Expired(r.Entry) {
				expired = append(expired, r)
			}
		}
		for _, r := range expired { // which may move what rows points to
			s.remove(r)
		}
		removed = len(expired)
	})
	if err != nil {
		return 0, cursor, err
	}
	return removed, next, nil
}

// Count implements [greylist.Bounded].
func (s *Store) Count(ctx context.Context) (n int64, err error) {
	err = s.use(ctx, func() { n = int64(len(s.byKey)) })
	return n, err
}

// Trim implements [greylist.Bounded].
func (s *Store) Trim(ctx context.Context, most int64) (removed int64, err error) {
	err = s.use(ctx, func() {
		excess := int64(len(s.byKey)) - most
		if excess <= 0 {
			return
		}
		rows := make(map[backend.Key]*row)
		var newest []backend.WaitingRow
		for i := len(s.order) - 1; i >= 0 && len(newest) < backend.TrimWindow; i-- {
			if r := s.order[i]; !r.removed && !r.Passed() {
				k := backend.KeyOf(r.Triplet)
				rows[k] = r
				newest = append(newest, backend.NewWaitingRow(k, r.Client))
			}
		}
		for _, k := range backend.Surplus(newest, min(excess, backend.TrimMost)) {
			s.remove(rows[k])
			removed++
		}
	})
	return removed, err
}
