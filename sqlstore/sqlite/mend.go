package sqlite

import (
	"context"
	"errors"
	"time"

	"greyglass/greylist"
)

// mendTimeout bounds one attempt to open the database anew, for which callers wait.
const mendTimeout = time.Second

// mend opens the database anew as the cause demands. It runs while the writer
// pauses, so that nothing else uses the connections but readers.
func (k *keeper) mend(cause error) {
	ctx, cancel := context.WithTimeout(k.ctx, mendTimeout)
	defer cancel()
	old := k.writer.now.Load().db
	switch {
	case cause == errSuspect:
		k.renew(ctx, old)
	case old != nil && errors.Is(cause, errSync):
		k.persist(ctx, old)
	case old != nil && errors.Is(cause, errCut) && old.copied() && k.flusher.empty() == nil && old.check(true) == nil:
		k.log.Warn("the write-ahead log was cut short by another program; nothing was lost", "database", k.path)
		k.adopt(old)
	case old != nil && !k.giveUp(old, cause):
		k.writer.now.Store(&state{old, explain(k.path, cause)}) // tried again
	default:
		if old != nil {
			k.lost = lost{cause, old.files.database}
		}
		k.begin(ctx, cause)
	}
}

func (k *keeper) adopt(db *opened) {
	k.condemned = nil
	k.writer.suspect.Store(false)
	k.writer.now.Store(&state{db: db})
}

// persist goes on with the database once all of its log is in the file itself. The
// disk did not take what was committed, and might never, as the kernel forgets
// what it could not write (fsync(2)): what came after it in the log would be lost
// with it when power fails.
func (k *keeper) persist(ctx context.Context, old *opened) {
	whole, err := k.flusher.tryEmpty()
	if err != nil { // each descriptor of the file is told once of what went wrong
		whole, err = k.flusher.tryEmpty()
	}
	if err == nil && whole {
		k.renew(ctx, old)
	}
}

// renew replaces connections that may not work any more. If there can't be new
// ones yet, the old may still do for those who only read.
func (k *keeper) renew(ctx context.Context, old *opened) {
	if old.check(true) != nil {
		return // the next look mends that
	}
	opts := k.settings
	opts.create = false // nothing is moved aside under somebody's feet
	fresh, _, err := k.open(ctx, opts)
	switch {
	case errors.Is(err, greylist.ErrDamaged):
		k.writer.now.Store(&state{old, damaged(k.path, err)})
		k.checkNow()
	case err == nil && fresh.files.database != old.files.database:
		_ = fresh.closeAsItIs() // the same
	case err == nil:
		k.adopt(fresh)
		_ = old.close()
	}
}

// giveUp closes a database whose files are not any more what they were, and
// reports whether it could. What is in a log that was deleted is saved before;
// and what is left of a database that has gone is removed.
func (k *keeper) giveUp(old *opened, cause error) bool {
	if errors.Is(cause, errCut) || errors.Is(cause, errIndex) {
		_ = old.closeAsItIs()
		return true
	}
	whole, err := k.flusher.tryEmpty()
	if errors.Is(cause, errBeside) && (err != nil || !whole) {
		return false
	}
	_ = old.close()
	if errors.Is(cause, errMoved) {
		old.files.removeBeside()
	}
	return true
}

// lost is a database that had to be given up.
type lost struct {
	cause error // nil: there is none
	file  identity
}

// begin opens what is at the path, after there was none.
func (k *keeper) begin(ctx context.Context, cause error) {
	k.writer.now.Store(&state{err: explain(k.path, cause)})
	fresh, from, err := k.open(ctx, k.settings)
	if err == nil {
		if err = fresh.check(true); err != nil { // as another program still has it
			_ = fresh.close()
		}
	}
	k.begun = k.begun || from == nothing
	if err != nil {
		if errors.Is(k.lost.cause, errCut) || errors.Is(k.lost.cause, errIndex) { // which it will be, until it works again
			err = k.lost.cause
		}
		k.writer.now.Store(&state{err: unusable(k.path, err)})
		return
	}
	k.adopt(fresh)
	switch {
	case from == movedAside: // which was logged
	case k.begun:
		k.log.Error("the database file is gone; a new one was begun, which remembers nothing yet", "database", k.path)
	case errors.Is(k.lost.cause, errMoved), fresh.files.database != k.lost.file:
		k.log.Warn("the database file was replaced; the one that is there now is used", "database", k.path)
	case errors.Is(k.lost.cause, errCut):
		k.log.Error("the write-ahead log was cut short by another program; what was remembered in the last seconds may be lost", "database", k.path)
	default:
		k.log.Warn("the -wal or -shm file of the database was deleted or cut short by another program; nothing was lost", "database", k.path)
	}
	k.begun, k.lost = false, lost{}
	if from == whatIsThere {
		k.checkSoon()
	}
}
