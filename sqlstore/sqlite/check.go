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

// checkSoon has a database that was there before checked, if it is the daemon's own.
func (w *writer) checkSoon(from origin) {
	if w.create && from == existing {
		w.checkAt = time.Now().Add(interval)
	}
}

// startCheck begins a check, unless one is going on.
func (w *writer) startCheck() {
	db := w.now.Load().db
	if w.check != nil || db == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &check{ended: make(chan error, 1), stop: cancel}
	w.check, w.checkAt = c, time.Time{}
	go func() { c.ended <- quickCheck(ctx, db.path) }()
}

// stopCheck breaks off the check that is going on.
func (w *writer) stopCheck() {
	if w.check == nil {
		return
	}
	w.check.stop()
	<-w.check.ended
	w.check, w.checkAt = nil, time.Now().Add(checkRetry)
}

// checked draws the conclusions of a check. A damaged database is quarantined by the
// daemon, which goes on with an empty one; a command leaves it as it is.
func (w *writer) checked(err error) {
	w.check.stop()
	w.check = nil
	now := w.now.Load()
	switch suspected := errors.Is(now.err, greylist.ErrDamaged); {
	case errors.Is(err, greylist.ErrDamaged) && w.create:
		w.reopen(err)
	case err != nil:
		w.checkAt = time.Now().Add(checkRetry)
	case suspected: // it was replaced by a whole one in place, or read wrongly once
		w.log.Warn(eventWhole, "database", w.path)
		w.reopen(errSuspect)
	}
}
