package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"greyglass/greylist"
)

// checkRetry is the delay before a check that failed to run is retried.
const checkRetry = time.Minute

// check is a check of the whole database, in the background on its own connection. The
// methods of nil do nothing.
type check struct {
	full  bool       // by [quickCheck]; else [writer.readThrough] comes first
	ended chan error // buffered
	stop  context.CancelFunc
}

// result yields the result of [quickCheck].
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

// checkSoon starts a check of an existing database, for the daemon.
func (w *writer) checkSoon(from origin) {
	if w.create && from == existing {
		w.checkAt = time.Now().Add(interval)
	}
}

// startCheck starts a check, unless one is running: a full one if the database is suspected
// to be corrupt, or if it could not be read through.
func (w *writer) startCheck() {
	db := w.current.Load().db
	if w.check != nil || db == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &check{full: w.current.Load().err != nil, ended: make(chan error, 1), stop: cancel}
	w.check, w.checkAt = c, time.Time{}
	go func() {
		if !c.full {
			if err := w.readThrough(ctx, db.path, progressInterval); !isCorrupt(err) {
				c.ended <- err
				return
			}
		}
		c.ended <- quickCheck(ctx, db.path)
	}()
}

// stopCheck stops the running check.
func (w *writer) stopCheck() {
	if w.check == nil {
		return
	}
	w.check.stop()
	<-w.check.ended
	w.check, w.checkAt = nil, time.Now().Add(checkRetry)
}

// checked acts on the result of a check. The daemon quarantines a corrupt database and
// continues with an empty one; a command leaves it as it is.
func (w *writer) checked(err error) {
	w.check.stop()
	w.check = nil
	current := w.current.Load()
	switch suspected := errors.Is(current.err, greylist.ErrDamaged); {
	case errors.Is(err, greylist.ErrDamaged) && w.create:
		w.reopen(err)
	case err != nil:
		w.checkAt = time.Now().Add(checkRetry)
	case suspected: // another program restored it in place, or a read failed once
		w.log.Warn(eventWhole, "database", w.path)
		w.reopen(errSuspect)
	}
}
