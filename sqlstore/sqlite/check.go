package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"greyglass/greylist"
)

// checkRetry is when a check that could not be done is tried again.
const checkRetry = time.Minute

// check is one look, in the background and on a connection of its own, at the
// whole database. The methods of nil do nothing.
type check struct {
	db    *opened
	ended chan error // holds one
	stop  context.CancelFunc
}

// result yields nil if the database is whole, and what [quickCheck] returns if
// it is not, or could not be read.
func (c *check) result() <-chan error {
	if c == nil {
		return nil
	}
	return c.ended
}

// quickCheck returns an error that wraps [greylist.ErrDamaged] if the database
// is corrupt (sqlite.org/pragma.html#pragma_quick_check).
func quickCheck(ctx context.Context, path string) error {
	conn, err := connect(ctx, readerDSN(path))
	if err != nil {
		return err
	}
	defer conn.Close()
	var says string
	err = conn.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&says)
	switch {
	case isCorrupt(err):
		return fmt.Errorf("%w: %w", greylist.ErrDamaged, err)
	case err != nil:
		return err
	case says != "ok":
		return fmt.Errorf("%w: %s", greylist.ErrDamaged, strings.Join(strings.Fields(says), " "))
	}
	return nil
}

// checkSoon has the database checked, if it is the daemon's own.
func (k *keeper) checkSoon() {
	if k.create {
		k.checkAt = time.Now().Add(flushInterval)
	}
}

func (k *keeper) checkNow() {
	if k.check == nil && k.condemned == nil && k.checkAt.IsZero() {
		k.checkAt = time.Now()
	}
}

// beginCheck begins a check if it is time for one.
func (k *keeper) beginCheck() {
	now := k.writer.now.Load()
	if k.check != nil || now.db == nil || k.checkAt.IsZero() || time.Now().Before(k.checkAt) {
		return
	}
	ctx, cancel := context.WithCancel(k.ctx)
	c := &check{db: now.db, ended: make(chan error, 1), stop: cancel}
	k.check, k.checkAt = c, time.Time{}
	go func() { c.ended <- quickCheck(ctx, c.db.path) }()
}

// endCheck breaks off the check that is going on.
func (k *keeper) endCheck() {
	if k.check == nil {
		return
	}
	k.check.stop()
	<-k.check.ended
	k.check, k.checkAt = nil, time.Now().Add(checkRetry)
}

// judge draws the conclusions of a check.
func (k *keeper) judge(err error) {
	db := k.check.db
	k.check.stop()
	k.check = nil
	now := k.writer.now.Load()
	suspected := errors.Is(now.err, greylist.ErrDamaged)
	switch {
	case now.db != db:
		k.checkSoon()
	case errors.Is(err, greylist.ErrDamaged):
		k.condemned = err
		k.writer.pause(func() { k.writer.now.Store(&state{db, damaged(k.path, err)}) })
		k.log.Error("the database is damaged; answering by on_error until the daemon is restarted, which moves it aside and begins a new one",
			"database", k.path, "error", err)
		if err := condemn(db.path, err); err != nil {
			k.log.Error("it cannot be noted that the database is damaged", "database", k.path, "error", err)
		}
	case err != nil:
		k.checkAt = time.Now().Add(checkRetry)
	case suspected: // it was replaced by a whole one in place, or read wrongly once
		k.log.Warn("the database is whole after all", "database", k.path)
		k.writer.pause(func() {
			ctx, cancel := context.WithTimeout(k.ctx, mendTimeout)
			defer cancel()
			k.renew(ctx, db)
		})
	}
}
