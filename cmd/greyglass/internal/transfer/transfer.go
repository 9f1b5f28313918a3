// Package transfer copies what one store remembers to another.
package transfer

import (
	"context"
	"fmt"
	"sync"

	"greyglass/greylist"
)

// Transfer carries what one store remembers to another, while both are used. Of
// two entries of a triplet the one that tells of the later event is right.
type Transfer struct{ From, To greylist.Store }

// Transferred counts triplets, or counts of a [greylist.History].
type Transferred struct{ Seen, Written int64 }

// together is how many triplets are under way at a time, so that they share the
// target's commits.
const together = 512

// Copy writes what the target does not know yet. What was written by a copy that
// was broken off is not written again.
func (t Transfer) Copy(ctx context.Context, progress func(done int64)) (Transferred, error) {
	return t.each(ctx, progress, func(greylist.Record) error { return nil })
}

// Check looks, after a [Transfer.Copy] that began at a time in Unix seconds,
// whether the target knows all that the source does. What the source has learnt
// since is written. It fails if anything else is missing.
func (t Transfer) Check(ctx context.Context, began int64, progress func(done int64)) (Transferred, error) {
	return t.each(ctx, progress, func(r greylist.Record) error {
		if latest(r.Entry) >= began {
			return nil
		}
		return fmt.Errorf("greylist: %s was copied, but is not there; run it again", r.Triplet)
	})
}

// each offers every record to the target, which takes what it does not know; missing
// is told of that, and may fail.
func (t Transfer) each(ctx context.Context, progress func(done int64), missing func(greylist.Record) error) (sum Transferred, err error) {
	page := make([]greylist.Record, 0, together)
	flush := func() error {
		written, err := t.offer(ctx, page, missing)
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

// offer offers some records at the same time. It returns how many were written,
// and the first error.
func (t Transfer) offer(ctx context.Context, page []greylist.Record, missing func(greylist.Record) error) (written int64, first error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, r := range page {
		all.Go(func() {
			d, err := t.To.Update(ctx, []greylist.Triplet{r.Triplet}, func(there []*greylist.Entry) greylist.Decision {
				return greylist.Decision{Remember: r.Entry, Keep: knows(there[0], r.Entry)}
			})
			if err == nil && !d.Keep {
				err = missing(r)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				first = err
			}
			if err == nil && !d.Keep {
				written++
			}
		})
	}
	all.Wait()
	return written, first
}

// knows reports whether an entry, or nil, tells of all that another does.
func knows(there *greylist.Entry, e greylist.Entry) bool {
	return there != nil && latest(*there) >= latest(e)
}

// latest is the latest event that the entry tells of, in Unix seconds.
func latest(e greylist.Entry) int64 { return max(e.FirstSeen, e.LastSeen, e.PassedAt) }
