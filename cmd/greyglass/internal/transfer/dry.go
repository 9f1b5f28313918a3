package transfer

import (
	"context"

	"greyglass/greylist"
)

// Dry is a store that answers as its store does, and writes nothing.
type Dry struct{ greylist.Store }

func (d Dry) Update(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (greylist.Decision, error) {
	remembered := make([]*greylist.Entry, len(triplets))
	for i, t := range triplets {
		var err error
		if remembered[i], err = d.Get(ctx, t); err != nil {
			return greylist.Decision{}, err
		}
	}
	return change(remembered), nil
}
