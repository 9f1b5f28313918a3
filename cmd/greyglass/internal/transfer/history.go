package transfer

import (
	"context"
	"errors"
	"slices"

	"greyglass/greylist"
)

// CopyHistory has the target count at least what the source does: what was copied
// already is not added again, and of two counts of the same hour the greater is
// right. At the end it looks whether that is so.
func (t Transfer) CopyHistory(ctx context.Context) (Transferred, error) {
	from, err := t.From.History(ctx, 0)
	if err != nil {
		return Transferred{}, err
	}
	there, err := t.To.History(ctx, 0)
	if err != nil {
		return Transferred{}, err
	}
	missing := beyond(from, there)
	for part := range slices.Chunk(missing.Answered, together) {
		if err := t.To.Record(ctx, greylist.History{Answered: part}); err != nil {
			return Transferred{}, err
		}
	}
	for part := range slices.Chunk(missing.Returned, together) {
		if err := t.To.Record(ctx, greylist.History{Returned: part}); err != nil {
			return Transferred{}, err
		}
	}
	if there, err = t.To.History(ctx, 0); err == nil && !beyond(from, there).Empty() {
		err = errors.New("greylist: the history was copied, but is not there")
	}
	return Transferred{Seen: size(from), Written: size(missing)}, err
}

func size(h greylist.History) int64 { return int64(len(h.Answered) + len(h.Returned)) }

// beyond returns by how much the counts exceed those of another history.
func beyond(h, other greylist.History) greylist.History {
	return greylist.History{
		Answered: excess(h.Answered, other.Answered, func(a *greylist.Answered) *int64 { return &a.Count }),
		Returned: excess(h.Returned, other.Returned, func(r *greylist.Returned) *int64 { return &r.Count }),
	}
}

// excess returns the counts that are greater than the others of their kind, less
// those.
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
