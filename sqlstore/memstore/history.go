package memstore

import (
	"context"
	"math"

	"greyglass/greylist"
)

// Record implements [greylist.Store].
func (s *Store) Record(ctx context.Context, h greylist.History) error {
	return s.use(ctx, func() {
		if h.Batch.Number > 0 {
			if h.Batch.Number <= s.recorded[h.Batch.Daemon] {
				return
			}
			s.recorded[h.Batch.Daemon] = h.Batch.Number
		}
		for _, a := range h.Answered {
			n := a.Count
			a.Count = 0
			s.answered[a] += n
		}
		for _, r := range h.Returned {
			n := r.Count
			r.Count = 0
			s.returned[r] += n
		}
		for _, u := range h.Used {
			at := u.At
			u.At = 0
			s.used[u] = max(s.used[u], at)
		}
	})
}

// History implements [greylist.Store].
func (s *Store) History(ctx context.Context, since int64) (h greylist.History, err error) {
	err = s.use(ctx, func() {
		for a, n := range s.answered {
			if a.Hour >= since {
				a.Count = n
				h.Answered = append(h.Answered, a)
			}
		}
		for r, n := range s.returned {
			if r.Hour >= since {
				r.Count = n
				h.Returned = append(h.Returned, r)
			}
		}
		for u, at := range s.used {
			u.At = at
			h.Used = append(h.Used, u)
		}
	})
	h.Sort()
	return h, err
}

// ExpireHistory implements [greylist.Store]. It removes a day's hours at most.
func (s *Store) ExpireHistory(ctx context.Context, before int64) (removed int, err error) {
	err = s.use(ctx, func() {
		removed = removeOldest(s.answered, before, func(a greylist.Answered) int64 { return a.Hour }) +
			removeOldest(s.returned, before, func(r greylist.Returned) int64 { return r.Hour })
	})
	return removed, err
}

func removeOldest[C comparable](counts map[C]int64, before int64, hour func(C) int64) (removed int) {
	oldest := int64(math.MaxInt64)
	for c := range counts {
		oldest = min(oldest, hour(c))
	}
	for c := range counts {
		if h := hour(c); h < before && h < oldest+24*greylist.Hour {
			delete(counts, c)
			removed++
		}
	}
	return removed
}
