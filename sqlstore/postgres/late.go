package postgres

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// A decision that was too late, since somebody else has changed the row or holds a
// lock on it, rests for a moment before it is made anew, so that whoever is in the
// way can finish. The worker goes on with the others meanwhile.

const (
	// restFirst is how long, at most, a decision rests the first time, and restMost
	// how long it does when that has doubled time and again.
	restFirst = 3 * time.Millisecond
	restMost  = 50 * time.Millisecond
)

// errLocked is what those are told who were too late until their time was over, or
// for workPatience: others who only change the row are not in the way for so long.
var errLocked = errors.New("sqlstore: locked by another program")

// lateness is what the worker knows of a decision that was too late.
type lateness struct {
	hindered atomic.Bool   // it was too late; for its caller too
	since    time.Time     // when first; zero: never
	rest     time.Duration // how long, at most, the last time
	until    time.Time     // when it is to be made anew
}

// late has those rest who were too late. Those of a group go on together.
func (w *worker) late(groups []*group) {
	now := time.Now()
	for _, g := range groups {
		var longest time.Duration
		resting := len(w.resting)
		for _, d := range step([]*group{g}, known{seen: true}) {
			if !d.hindered.Swap(true) {
				d.since = now
			}
			if now.Sub(d.since) >= workPatience {
				d.done <- w.store.server.fault(errLocked)
				continue
			}
			d.rest = min(max(2*d.rest, restFirst), restMost)
			longest = max(longest, d.rest)
			w.resting = append(w.resting, d)
		}
		if longest > 0 {
			until := now.Add(rand.N(longest))
			for _, d := range w.resting[resting:] {
				d.until = until
			}
		}
	}
}

// rested adds to a batch, as far as there is room, those who have rested.
func (w *worker) rested(batch []*decision) []*decision {
	now := time.Now()
	w.resting = slices.DeleteFunc(w.resting, func(d *decision) bool {
		if len(batch) >= maxShared || d.until.After(now) {
			return false
		}
		batch = append(batch, d)
		return true
	})
	return batch
}

// rest returns what tells when somebody has rested; nil if nobody rests.
func (w *worker) rest() <-chan time.Time {
	if len(w.resting) == 0 {
		return nil
	}
	first := slices.MinFunc(w.resting, func(a, b *decision) int { return a.until.Compare(b.until) })
	return time.After(time.Until(first.until))
}
