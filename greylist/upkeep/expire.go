// Package upkeep is what runs beside the mail: expiry, the row limit, and the
// recorder of the history.
package upkeep

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
)

// Sweeper removes expired entries, and old history, in the background, a small
// batch at a time, so slowly that mail never feels it.
type Expirer struct {
	Store   greylist.Store
	Windows func() greylist.Windows // those that hold at the time
	History func() time.Duration    // for how long history is kept, at the time; nil: for ever
	MaxRows func() int64            // below which the store is kept, at the time, if it is [greylist.Bounded]; nil or zero: any number
	Log     *slog.Logger
	Clock   *clock.Clock

	Every time.Duration // from the end of one sweep to the beginning of the next
	Pause time.Duration // between two batches of a sweep

	ceiling ceiling
}

// hurry is how much shorter the pauses are of a sweep that makes room.
const hurry = 2

// Run sweeps until the context ends.
func (s *Expirer) Run(ctx context.Context) {
	var room sync.WaitGroup
	room.Go(func() { s.keepBelow(ctx) })
	defer room.Wait()
	for sleep(ctx, s.Every) {
		if s.paused() {
			continue
		}
		removed, err := s.Sweep(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.Log.Warn("expiry failed, and will be tried again", "error", err)
		case removed > 0:
			s.Log.Info("expired entries removed", "count", removed)
		}
	}
}

// paused reports whether the clock was set so lately that it may be wrong: what
// a wrong clock expires is gone, and what it keeps too long does no harm.
func (s *Expirer) paused() bool {
	s.Clock.Now()
	since, stepped := s.Clock.SinceStep()
	return stepped && since < time.Duration(s.Windows().MaxDeferTime)*time.Second
}

// Sweep goes through all entries once and returns how many it removed; then it
// removes history that is too old.
func (s *Expirer) Sweep(ctx context.Context) (removed int, err error) {
	if removed, err = s.sweepEntries(ctx, s.Pause); err == nil && s.History != nil {
		err = s.sweepHistory(ctx)
	}
	return removed, err
}

func (s *Expirer) sweepEntries(ctx context.Context, pause time.Duration) (removed int, err error) {
	for cursor := int64(0); ; {
		cutoffs := s.cutoffs()
		n, next, err := s.Store.Expire(ctx, cutoffs, cursor)
		removed += n
		if err != nil || next == 0 {
			return removed, err
		}
		cursor = next
		if !sleep(ctx, pause) {
			return removed, ctx.Err()
		}
	}
}

func (s *Expirer) sweepHistory(ctx context.Context) error {
	for {
		before := s.Clock.Past(s.Clock.Now() - int64(s.History()/time.Second))
		removed, err := s.Store.ExpireHistory(ctx, before)
		if err != nil || removed == 0 {
			return err
		}
		if !sleep(ctx, s.Pause) {
			return ctx.Err()
		}
	}
}

// cutoffs are those of the present time, less what the clock was set forward: that
// is no silence of anybody's.
func (s *Expirer) cutoffs() greylist.Cutoffs {
	c := s.Windows().Cutoffs(s.Clock.Now())
	c.WaitingBefore = s.Clock.Past(c.WaitingBefore)
	c.PassedBefore = s.Clock.Past(c.PassedBefore)
	return c
}

// sleep waits, and reports whether the context is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
