package upkeep

import (
	"context"
	"time"

	"greyglass/greylist"
)

const (
	// A ceiling is warned of, and what has expired is removed at once, from this
	// many hundredths of it on.
	nearCeiling = 90

	// aboveCeiling, in hundredths of it, is where what has expired is not waited for
	// any more.
	aboveCeiling = 105

	// belowCeiling, in hundredths of it, is how far the entries are trimmed, so
	// that it is done now and then.
	belowCeiling = 98

	// ceilingLook is how often the entries are counted.
	ceilingLook = time.Second
)

// keepBelow makes room every second until the context ends.
func (s *Expirer) keepBelow(ctx context.Context) {
	for sleep(ctx, ceilingLook) {
		if err := s.MakeRoom(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("the triplets can't be kept below store.max_rows, which will be tried again", "error", err)
			sleep(ctx, time.Minute)
		}
	}
}

// ceiling is what a [Expirer.Expirer] knows from one look at it to the next.
type ceiling struct {
	warned bool // that it is near
	swept  bool // since then
	stuck  bool // nothing was found to be trimmed, and the log says so
}

// MakeRoom keeps the store below MaxRows: however many strangers knock once and
// never again, what is remembered of them does not grow without bound. First goes
// what has expired, then the newest waiting entries of the networks that hold most
// of them: those of the flood, and not the strangers who came before it and are
// about to come back. Passed entries never go. It is not called twice at a time.
func (s *Expirer) MakeRoom(ctx context.Context) error {
	store, ok := s.Store.(greylist.Bounded)
	most, c := int64(0), &s.ceiling
	if s.MaxRows != nil {
		most = s.MaxRows()
	}
	if !ok || most == 0 {
		*c = ceiling{}
		return nil
	}
	rows, err := store.Count(ctx)
	if err != nil {
		return err
	}
	if rows < most*nearCeiling/100 {
		*c = ceiling{}
		return nil
	}
	if !c.warned {
		c.warned = true
		s.Log.Warn("nearly as many triplets as store.max_rows allows; above that, the newest waiting ones of the networks that hold most are forgotten",
			"rows", rows, "max_rows", most)
	}
	if !c.swept && rows <= most*aboveCeiling/100 && !s.paused() {
		c.swept = true
		removed, err := s.sweepEntries(ctx, s.Pause/hurry)
		if removed > 0 {
			s.Log.Info("expired entries removed", "count", removed)
		}
		return err
	}
	if rows <= most {
		return nil
	}
	return s.trim(ctx, store, rows, most)
}

func (s *Expirer) trim(ctx context.Context, store greylist.Bounded, rows, most int64) error {
	c := &s.ceiling
	removed, err := store.Trim(ctx, most*belowCeiling/100)
	if removed > 0 {
		c.stuck = false
		s.Log.Warn("more triplets than store.max_rows allows; the newest waiting ones of the networks that hold most were forgotten",
			"count", removed, "rows", rows, "max_rows", most)
	}
	if removed > 0 || err != nil || c.stuck {
		return err
	}
	if rows, err = store.Count(ctx); err == nil && rows > most {
		c.stuck = true
		s.Log.Warn("more triplets than store.max_rows allows, and nearly all have passed; raise it", "rows", rows, "max_rows", most)
	}
	return err
}
