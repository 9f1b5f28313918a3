package upkeep

import (
	"context"
	"time"

	"greyglass/greylist"
)

const (
	// From nearLimit hundredths of the limit on, the log warns, and what has expired
	// is removed soon.
	nearLimit = 90

	// belowLimit, in hundredths of the limit, is how far the entries are trimmed, so
	// that it is done now and then.
	belowLimit = 98

	// limitCheck is how often the entries are counted: so often that a flood adds
	// little in between.
	limitCheck = 100 * time.Millisecond

	// retryAfter is when upkeep that has failed is tried again.
	retryAfter = time.Second

	// trimmedEvery is how often the log is told what was trimmed.
	trimmedEvery = time.Minute
)

// rowLimit is what an [Expirer] knows of the row limit from one check to the next.
type rowLimit struct {
	warned  bool      // that the limit is near
	stuck   bool      // nothing was found to be trimmed, and the log says so
	trimmed int64     // rows, of which the log was not told yet
	told    time.Time // when it was
	failing time.Time // since when; zero: it is not
	logged  bool      // that it fails
}

// limitAlarm is for how long the rows may be uncountable, far below the limit as they
// were, before the log is told.
const limitAlarm = time.Minute

// keepBelow makes room until the context ends.
func (e *Expirer) keepBelow(ctx context.Context) {
	wait := limitCheck
	for sleep(ctx, wait) {
		wait = limitCheck
		if err := e.MakeRoom(ctx); err != nil && ctx.Err() == nil {
			e.limitFailed(err)
			wait = retryAfter
			continue
		}
		e.limit.failing, e.limit.logged = time.Time{}, false
	}
}

// limitFailed tells the log once that the limit can't be kept: at once where it is
// near. Far below, a failing count does no harm for a while.
func (e *Expirer) limitFailed(err error) {
	l := &e.limit
	if l.failing.IsZero() {
		l.failing = time.Now()
	}
	if !l.logged && (l.warned || time.Since(l.failing) >= limitAlarm) {
		l.logged = true
		e.Log.Warn(eventLimitFailed, "error", err)
	}
}

// MakeRoom keeps the store below MaxRows: however many unknown triplets appear once
// and never again, what is remembered does not grow without bound. Removed are the
// newest waiting entries of the networks that hold most of them: those of the flood,
// and not those that were there before it and will soon be retried. Passed entries
// stay. It never waits for expiry, which is only told to hurry. It is not called twice
// at a time.
func (e *Expirer) MakeRoom(ctx context.Context) error {
	store, ok := e.Store.(greylist.Bounded)
	most, l := int64(0), &e.limit
	if e.MaxRows != nil {
		most = e.MaxRows()
	}
	if !ok || most == 0 {
		*l = rowLimit{}
		return nil
	}
	rows, err := store.Count(ctx)
	if err != nil {
		return err
	}
	e.tellTrimmed(rows, most)
	if rows < most*nearLimit/100 {
		l.warned, l.stuck = false, false
		return nil
	}
	if !l.warned {
		l.warned = true
		e.Log.Warn(eventNearLimit, "rows", rows, "max_rows", most)
		select {
		case e.soon <- struct{}{}:
		default: // it hurries already
		}
	}
	if rows <= most {
		return nil
	}
	return e.trim(ctx, store, rows, most)
}

// trim trims until there are no more entries than most, as far as it can.
func (e *Expirer) trim(ctx context.Context, store greylist.Bounded, rows, most int64) error {
	l := &e.limit
	for rows > most && ctx.Err() == nil {
		removed, err := store.Trim(ctx, most*belowLimit/100)
		if removed > 0 {
			l.stuck = false
			l.trimmed += removed
			e.tellTrimmed(rows, most)
		}
		if err != nil {
			return err
		}
		if rows, err = store.Count(ctx); err != nil {
			return err
		}
		if removed == 0 && rows > most {
			if !l.stuck {
				l.stuck = true
				e.Log.Warn(eventAllPassed, "rows", rows, "max_rows", most)
			}
			return nil
		}
	}
	return nil
}

// tellTrimmed tells the log what was trimmed, once a minute: during a flood there is
// something to be trimmed all the time.
func (e *Expirer) tellTrimmed(rows, most int64) {
	l := &e.limit
	if l.trimmed == 0 || time.Since(l.told) < trimmedEvery {
		return
	}
	e.Log.Warn(eventTrimmed, "count", l.trimmed, "rows", rows, "max_rows", most)
	l.trimmed, l.told = 0, time.Now()
}
