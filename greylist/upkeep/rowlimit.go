package upkeep

import (
	"context"
	"time"

	"greyglass/greylist"
)

const (
	// nearLimit, in percent of the limit, is where a warning is logged and a sweep
	// begins. Below farBelow, in percent, the next warning is possible.
	nearLimit = 90
	farBelow  = 80

	// belowLimit, in percent of the limit, is how far the entries are trimmed, less the
	// expected growth, which is taken for a tenth of the limit or leastGrowth at most.
	belowLimit  = 98
	leastGrowth = 1000

	// limitCheck is the interval of counting, and limitCheckNear that with little room
	// left. They are short, so that a flood adds little in between.
	limitCheck     = 100 * time.Millisecond
	limitCheckNear = 10 * time.Millisecond
	littleRoom     = 5000

	// retryAfter is the delay after a failure.
	retryAfter = time.Second

	// trimmedEvery is the interval of log lines about trimming.
	trimmedEvery = time.Minute
)

// rowLimit is the state of an [Expirer] about the row limit.
type rowLimit struct {
	near    bool      // there is little room left
	rows    int64     // at the last count, less those trimmed since; zero: unknown
	growth  int64     // expected until the next count: twice the greatest of late
	warned  bool      // logged that the limit is near
	stuck   bool      // logged that nothing can be trimmed
	trimmed int64     // rows that are not logged yet
	told    time.Time // when they were last logged
	failing time.Time // since when; zero: it is not
	logged  bool      // logged that it fails
}

// limitAlarm is how long counting may fail before that is logged, if the rows were far
// below the limit.
const limitAlarm = time.Minute

// keepBelow makes room until the context ends. It counts at once: a flood may go on when
// the daemon starts.
func (e *Expirer) keepBelow(ctx context.Context) {
	for wait := time.Duration(0); sleep(ctx, wait); {
		wait = limitCheck
		if err := e.MakeRoom(ctx); err != nil && ctx.Err() == nil {
			e.limitFailed(err)
			wait = retryAfter
			continue
		}
		e.limit.failing, e.limit.logged = time.Time{}, false
		if e.limit.near {
			wait = limitCheckNear
		}
	}
}

// limitFailed logs once that the limit can't be kept: near the limit at once, far below
// after limitAlarm.
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

// MakeRoom keeps the store below MaxRows during a flood of unknown triplets. It removes
// the newest waiting entries of the networks that hold most of them: the flood's, rather
// than older ones that will soon be retried. Passed entries stay. Near the limit it also
// starts a sweep, but does not wait for it. It is not safe for concurrent use.
func (e *Expirer) MakeRoom(ctx context.Context) error {
	store, ok := e.Store.(greylist.Bounded)
	most, l := int64(0), &e.limit
	if e.MaxRows != nil {
		most = e.MaxRows()
	}
	if !ok || most == 0 {
		*l = rowLimit{}
		e.rows.Store(nil)
		return nil
	}
	rows, err := store.Count(ctx)
	if err != nil {
		return err
	}
	e.rows.Store(&rows)
	e.tellTrimmed(rows, most)
	l.near = rows >= min(most*farBelow/100, most-littleRoom)
	if rows+l.growth < most*farBelow/100 {
		l.warned, l.stuck, l.rows, l.growth = false, false, 0, 0
		return nil
	}
	l.counted(rows, most)
	if !l.warned && rows >= most*nearLimit/100 {
		l.warned = true
		e.Log.Warn(eventNearLimit, "rows", rows, "max_rows", most)
		select {
		case e.soon <- struct{}{}:
		default: // a sweep is due already
		}
	}
	if rows+l.growth <= most {
		return nil
	}
	return e.trim(ctx, store, rows, most)
}

// counted notes the number of rows and their growth. Past growth loses its weight
// slowly, because a flood comes in waves.
func (l *rowLimit) counted(rows, most int64) {
	if l.rows > 0 {
		l.growth = min(max(2*(rows-l.rows), l.growth*49/50), max(most/10, leastGrowth))
	}
	l.rows = rows
}

// trim removes entries until there are no more than most, or nothing can be removed.
func (e *Expirer) trim(ctx context.Context, store greylist.Bounded, rows, most int64) error {
	l := &e.limit
	for ctx.Err() == nil {
		removed, err := store.Trim(ctx, most*belowLimit/100-l.growth)
		l.rows -= removed
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
		if rows <= most {
			return nil
		}
		l.counted(rows, most)
		if removed == 0 {
			if !l.stuck {
				l.stuck = true
				e.Log.Warn(eventAllPassed, "rows", rows, "max_rows", most)
			}
			return nil
		}
	}
	return nil
}

// tellTrimmed logs, once a minute at most, how many entries were trimmed.
func (e *Expirer) tellTrimmed(rows, most int64) {
	l := &e.limit
	if l.trimmed == 0 || time.Since(l.told) < trimmedEvery {
		return
	}
	e.Log.Warn(eventTrimmed, "count", l.trimmed, "rows", rows, "max_rows", most)
	l.trimmed, l.told = 0, time.Now()
}
