// Package upkeep is the background work on the store: expiry, the row limit, and the
// recorder of the history.
package upkeep

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
)

// Expirer removes expired entries and old history in the background, in small batches
// with pauses, so that it does not delay mail; and it keeps the store below its row
// limit. The functions return the present configuration.
type Expirer struct {
	Store   greylist.Store
	Windows func() greylist.Windows
	History func() time.Duration // how long history is kept; nil: for ever
	Keep    func() int64         // how long correspondents are kept, in seconds
	MaxRows func() int64         // the row limit of a [greylist.Bounded]; nil or zero: none
	Log     *slog.Logger
	Clock   *clock.Clock

	Every time.Duration // from the end of one sweep to the beginning of the next
	Pause time.Duration // between two batches of a sweep

	swept atomic.Int64          // when the last sweep ended, in Unix seconds; zero: none has
	rows  atomic.Pointer[int64] // as MakeRoom counted them last; nil: not counted

	limit rowLimit
	soon  chan struct{} // holds a value if the next sweep is to begin at once, with shorter pauses
}

// hurry divides the pauses of a sweep that makes room.
const hurry = 2

// Run sweeps until the context ends.
func (e *Expirer) Run(ctx context.Context) {
	e.soon = make(chan struct{}, 1)
	var room sync.WaitGroup
	room.Go(func() { e.keepBelow(ctx) })
	defer room.Wait()
	failing := false
	for wait := e.Every; ; {
		pause := e.Pause
		select {
		case <-ctx.Done():
			return
		case <-e.soon:
			pause /= hurry
		case <-time.After(wait):
		}
		wait = e.Every
		if e.paused() {
			continue
		}
		removed, err := e.sweep(ctx, pause)
		if ctx.Err() != nil {
			return
		}
		if removed > 0 {
			e.Log.Info(eventExpired, "count", removed)
		}
		if err == nil {
			e.swept.Store(e.Clock.Now())
		}
		if err != nil {
			wait = min(retryAfter, e.Every)
			if !failing {
				e.Log.Warn(eventExpiryFailed, "error", err)
			}
		}
		failing = err != nil
	}
}

// Swept returns when the last sweep ended, in Unix seconds; zero if none has.
func (e *Expirer) Swept() int64 { return e.swept.Load() }

// Rows returns how many rows there were when the row limit was last checked; nil if they
// were not counted.
func (e *Expirer) Rows() *int64 { return e.rows.Load() }

// paused reports whether expiry pauses because the clock has stepped recently and may
// be wrong: entries that it expired by a wrong clock would be lost.
func (e *Expirer) paused() bool {
	e.Clock.Now()
	since, stepped := e.Clock.SinceStep()
	return stepped && since < time.Duration(e.Windows().MaxDeferTime)*time.Second
}

// Sweep goes through all triplets once, then removes expired clients and correspondents,
// expectations that have ended, and old history. It returns how many triplets, clients and
// correspondents it removed.
func (e *Expirer) Sweep(ctx context.Context) (removed int, err error) { return e.sweep(ctx, e.Pause) }

func (e *Expirer) sweep(ctx context.Context, pause time.Duration) (removed int, err error) {
	for cursor := int64(0); ; {
		n, next, err := e.Store.Expire(ctx, e.cutoffs(), cursor)
		removed += n
		if err != nil {
			return removed, err
		}
		if next == 0 {
			others, err := e.sweepOthers(ctx, pause)
			return removed + others, err
		}
		cursor = next
		if !sleep(ctx, pause) {
			return removed, ctx.Err()
		}
	}
}

// sweepOthers removes what has expired beside triplets, and returns how many clients and
// correspondents that were.
func (e *Expirer) sweepOthers(ctx context.Context, pause time.Duration) (removed int, err error) {
	removed, err = e.batches(ctx, pause, func() (int, error) {
		return e.Store.ExpireClients(ctx, e.Clock.Past(e.Windows().ClientsBefore(e.Clock.Now())))
	})
	if err == nil {
		var more int
		more, err = e.batches(ctx, pause, func() (int, error) {
			return e.Store.ExpireCorrespondents(ctx, e.before(e.Keep()))
		})
		removed += more
	}
	if err == nil {
		_, err = e.Store.ExpireExpected(ctx, e.Clock.Now())
	}
	if err == nil && e.History != nil {
		_, err = e.batches(ctx, e.Pause, func() (int, error) { return e.Store.ExpireHistory(ctx, e.before(int64(e.History()/time.Second))) })
	}
	return removed, err
}

// batches removes one batch after the other, until there is none, and returns how much it
// removed.
func (e *Expirer) batches(ctx context.Context, pause time.Duration, remove func() (int, error)) (removed int, err error) {
	for {
		n, err := remove()
		removed += n
		if err != nil || n == 0 {
			return removed, err
		}
		if !sleep(ctx, pause) {
			return removed, ctx.Err()
		}
	}
}

// before is the time that is so many seconds ago. Steps of the clock do not count as time.
func (e *Expirer) before(seconds int64) int64 { return e.Clock.Past(e.Clock.Now() - seconds) }

// cutoffs returns the cutoffs at the present time. Steps of the clock do not count as
// time.
func (e *Expirer) cutoffs() greylist.Cutoffs {
	c := e.Windows().Cutoffs(e.Clock.Now())
	c.WaitingBefore = e.Clock.Past(c.WaitingBefore)
	c.PassedBefore = e.Clock.Past(c.PassedBefore)
	return c
}

// sleep waits, and returns false if the context ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
