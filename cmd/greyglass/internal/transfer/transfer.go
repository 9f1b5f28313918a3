// Package transfer copies what one store remembers to another.
package transfer

import (
	"context"
	"fmt"

	"greyglass/greylist"
)

// Transfer merges what one store remembers into another, while both are used. Of two
// entries of a triplet [greylist.Windows.Merge] says which is kept, so that no triplet
// which either side would let through has to wait again.
type Transfer struct {
	From, To greylist.Store
	Windows  greylist.Windows
	Now      int64 // when the transfer began, in Unix seconds
}

// Transferred counts triplets, or counts of a [greylist.History].
type Transferred struct{ Seen, Written int64 }

// together is how many triplets are merged in one transaction, in their order of arrival.
const together = 512

// Copy writes what the target does not know yet. What was written by a copy that
// was broken off is not written again.
func (t Transfer) Copy(ctx context.Context, progress func(done int64)) (Transferred, error) {
	return t.each(ctx, progress, t.knows, func(greylist.Record) error { return nil })
}

// Check looks, after a [Transfer.Copy], whether the target knows all that the source
// does, or has learnt more since. What the source has learnt since is written. It fails if
// anything else is missing.
func (t Transfer) Check(ctx context.Context, progress func(done int64)) (Transferred, error) {
	knows := func(there *greylist.Entry, e greylist.Entry) bool {
		return t.knows(there, e) || there != nil && there.Latest() >= e.Latest()
	}
	return t.each(ctx, progress, knows, func(r greylist.Record) error {
		if r.Latest() >= t.Now {
			return nil
		}
		return fmt.Errorf("greylist: %s was copied, but is not there; run it again", r.Triplet)
	})
}

// knows reports whether an entry, or nil, is to be kept beside another.
func (t Transfer) knows(there *greylist.Entry, e greylist.Entry) bool {
	return there != nil && t.Windows.Merge(*there, e, t.Now) == *there
}

// each offers every record to the target, which takes what it does not know; missing
// is told of that, and may fail.
func (t Transfer) each(ctx context.Context, progress func(done int64), knows func(there *greylist.Entry, e greylist.Entry) bool,
	missing func(greylist.Record) error) (sum Transferred, err error) {
	page := make([]greylist.Record, 0, together)
	flush := func() error {
		written, err := t.offer(ctx, page, knows, missing)
		sum.Seen += int64(len(page))
		sum.Written += written
		page = page[:0]
		progress(sum.Seen)
		return err
	}
	for r, err := range t.From.List(ctx, greylist.Filter{}) {
		if err != nil {
			return sum, err
		}
		if page = append(page, r); len(page) == together {
			if err := flush(); err != nil {
				return sum, err
			}
		}
	}
	return sum, flush()
}

// offer merges some records, and returns how many were written.
func (t Transfer) offer(ctx context.Context, page []greylist.Record, knows func(there *greylist.Entry, e greylist.Entry) bool,
	missing func(greylist.Record) error) (written int64, err error) {
	if len(page) == 0 {
		return 0, nil
	}
	triplets := make([]greylist.Triplet, len(page))
	for i, r := range page {
		triplets[i] = r.Triplet
	}
	d, err := t.To.Update(ctx, triplets, func(there []*greylist.Entry) greylist.Decision {
		d := greylist.Decision{Keep: true}
		for i, r := range page {
			if !knows(there[i], r.Entry) {
				d.Others = append(d.Others, greylist.Write{Triplet: i, Entry: r.Entry})
			}
		}
		return d
	})
	if err != nil {
		return 0, err
	}
	for _, w := range d.Others {
		if err := missing(page[w.Triplet]); err != nil {
			return written, err
		}
		written++
	}
	return written, nil
}
