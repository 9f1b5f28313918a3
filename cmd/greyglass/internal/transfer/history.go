package transfer

import (
	"context"
	"errors"
	"slices"

	"greyglass/greylist"
)

// CopyHistory raises each count of the target to at least the source's, so that copying
// twice adds nothing. Then it checks the result.
func CopyHistory(ctx context.Context, source, target greylist.Store) (Transferred, error) {
	from, err := source.History(ctx, 0)
	if err != nil {
		return Transferred{}, err
	}
	there, err := target.History(ctx, 0)
	if err != nil {
		return Transferred{}, err
	}
	missing := beyond(from, there)
	for part := range slices.Chunk(missing.Answered, together) {
		if err := target.Record(ctx, greylist.History{Answered: part}); err != nil {
			return Transferred{}, err
		}
	}
	for part := range slices.Chunk(missing.Returned, together) {
		if err := target.Record(ctx, greylist.History{Returned: part}); err != nil {
			return Transferred{}, err
		}
	}
	for part := range slices.Chunk(missing.Used, together) {
		if err := target.Record(ctx, greylist.History{Used: part}); err != nil {
			return Transferred{}, err
		}
	}
	if there, err = target.History(ctx, 0); err == nil && !beyond(from, there).Empty() {
		err = errors.New("the history was copied, but is not there")
	}
	return Transferred{Seen: size(from), Written: size(missing)}, err
}

func size(h greylist.History) int64 { return int64(len(h.Answered) + len(h.Returned) + len(h.Used)) }

// beyond returns by how much the counts of h exceed those of another history.
func beyond(h, other greylist.History) greylist.History {
	return greylist.History{
		Answered: excess(h.Answered, other.Answered, func(a *greylist.Answered) *int64 { return &a.Count }),
		Returned: excess(h.Returned, other.Returned, func(r *greylist.Returned) *int64 { return &r.Count }),
		Used:     later(h.Used, other.Used),
	}
}

// later returns the entries that were used later than the others say.
func later(used, others []greylist.Used) (more []greylist.Used) {
	entry := func(u greylist.Used) greylist.Used { return greylist.Used{List: u.List, Entry: u.Entry} }
	there := make(map[greylist.Used]int64, len(others))
	for _, u := range others {
		there[entry(u)] = u.At
	}
	for _, u := range used {
		if u.At > there[entry(u)] {
			more = append(more, u)
		}
	}
	return more
}

// excess returns by how much counts exceed the others of the same kind.
func excess[C comparable](counts, others []C, count func(*C) *int64) (more []C) {
	kind := func(c C) C {
		*count(&c) = 0
		return c
	}
	there := make(map[C]int64, len(others))
	for _, c := range others {
		there[kind(c)] = *count(&c)
	}
	for _, c := range counts {
		if *count(&c) -= there[kind(c)]; *count(&c) > 0 {
			more = append(more, c)
		}
	}
	return more
}
