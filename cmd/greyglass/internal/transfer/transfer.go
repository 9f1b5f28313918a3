// Package transfer copies the triplets and the history of one store to another.
package transfer

import (
	"context"
	"fmt"
	"iter"

	"greyglass/greylist"
)

// Source yields records, as a store does, but perhaps more than one of a triplet.
type Source interface {
	List(ctx context.Context, f greylist.Filter) iter.Seq2[greylist.Record, error]
}

// Transfer merges a source into a store, while both are in use. [greylist.Windows.Merge]
// chooses between two entries of a triplet, so that no triplet that would pass on either
// side has to wait again.
type Transfer struct {
	From    Source
	To      greylist.Store
	Windows greylist.Windows
	Now     int64 // when the transfer began, in Unix seconds
}

// Transferred counts triplets, or counts of a [greylist.History].
type Transferred struct{ Seen, Written int64 }

// together is how many triplets are merged in one transaction, in the order in which they
// were first stored.
const together = 512

// Copy writes what the target does not have. It can be run again after an interruption.
func (t Transfer) Copy(ctx context.Context, progress func(done int64)) (Transferred, error) {
	return t.each(ctx, progress, t.knows, func(greylist.Record) error { return nil })
}

// Check checks, after [Transfer.Copy], whether the target has everything. It writes what
// the source has stored since, and fails if anything else is missing.
func (t Transfer) Check(ctx context.Context, progress func(done int64)) (Transferred, error) {
	knows := func(there *greylist.Entry, e greylist.Entry) bool {
		return t.knows(there, e) || there != nil && there.Latest() >= e.Latest()
	}
	return t.each(ctx, progress, knows, func(r greylist.Record) error {
		if r.Latest() >= t.Now {
			return nil
		}
		return fmt.Errorf("%s was copied, but is not there; run it again", r.Triplet)
	})
}

// knows reports whether the target's entry, or nil, need not be replaced.
func (t Transfer) knows(there *greylist.Entry, e greylist.Entry) bool {
	return there != nil && t.Windows.Merge(*there, e, t.Now) == *there
}

// each merges every record into the target, and calls missing, which may fail, for each
// that it writes.
func (t Transfer) each(ctx context.Context, progress func(done int64), knows func(there *greylist.Entry, e greylist.Entry) bool,
	missing func(greylist.Record) error) (sum Transferred, err error) {
	page := make([]greylist.Record, 0, together)
	at := make(map[greylist.Triplet]int, together) // where in page
	flush := func() error {
		written, err := t.offer(ctx, page, knows, missing)
		sum.Written += written
		page = page[:0]
		clear(at)
		progress(sum.Seen)
		return err
	}
	for r, err := range t.From.List(ctx, greylist.Filter{}) {
		if err != nil {
			_ = flush() // what came before it
			return sum, err
		}
		sum.Seen++
		if i, twice := at[r.Triplet]; twice {
			page[i].Entry = t.Windows.Merge(page[i].Entry, r.Entry, t.Now)
			continue
		}
		at[r.Triplet] = len(page)
		if page = append(page, r); len(page) == together {
			if err := flush(); err != nil {
				return sum, err
			}
		}
	}
	return sum, flush()
}

// offer merges some records, and returns how many it wrote.
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
