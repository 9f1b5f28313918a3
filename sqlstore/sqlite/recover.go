package sqlite

import (
	"context"
	"errors"
	"time"

	"greyglass/greylist"
)

// reopenTimeout bounds one attempt to reopen the database, for which callers wait.
const reopenTimeout = 2 * time.Second

// recovery is the writer's state about a failing database.
type recovery struct {
	suspect bool     // the storage failed: the connections may be unusable
	lost    error    // why the last database was closed; nil: it is in use
	file    identity // of the last database
	check   *check   // nil: no check is running
	checkAt time.Time
}

// errSuspect: the connections may be unusable.
var errSuspect = errors.New("the storage failed")

// recoverIfNeeded is called every second. It reopens the database if that is necessary.
func (w *writer) recoverIfNeeded() {
	current := w.current.Load()
	var cause error
	switch {
	case current.db != nil && current.db.refuses != nil:
		return // there is nothing to write
	case current.db == nil:
		cause = current.err
	case w.suspect:
		cause = errSuspect
	}
	if current.db != nil {
		if err := current.db.checkFiles(); err != nil {
			cause = err
		}
	}
	if cause != nil {
		w.reopen(cause)
	}
	if current := w.current.Load(); current.err == nil {
		w.cache.begun(current.db.index)
		w.noteForeign(current.db.tx)
	}
	if !w.checkAt.IsZero() && time.Now().After(w.checkAt) {
		w.startCheck()
	}
}

// reopen opens the database at the path again, between two transactions. It first closes
// connections to files that were changed; otherwise readers use the old ones until there
// are new ones.
func (w *writer) reopen(cause error) {
	w.stopCheck()
	old := w.current.Load().db
	if old != nil && cause != errSuspect {
		w.lost, w.file = cause, old.files.databaseID
		w.current.Store(&state{err: explain(w.path, cause)})
		w.giveUp(old, cause)
		old = nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), reopenTimeout)
	defer cancel()
	opts := w.settings
	if errors.Is(w.lost, greylist.ErrDamaged) {
		opts.damaged, opts.corrupt = w.lost, w.file
	}
	fresh, from, err := openPath(ctx, w.path, opts)
	if err != nil {
		if isTampered(w.lost) && !errors.Is(w.lost, errMoved) { // it will be, until it works again
			err = w.lost
		}
		w.current.Store(&state{old, unusable(w.path, err)})
		return
	}
	if old != nil {
		w.file = old.files.databaseID
		_ = old.close()
	}
	w.logRecovery(from, fresh.files.databaseID)
	w.suspect, w.lost = false, nil
	w.cache.invalidate()
	w.cache.begun(fresh.index)
	w.current.Store(&state{db: fresh})
	w.checkSoon(from)
}

// giveUp closes a database. It first copies the log, unless that was truncated or the
// database is corrupt.
func (w *writer) giveUp(old *database, cause error) {
	if errors.Is(cause, errCut) || errors.Is(cause, greylist.ErrDamaged) {
		_ = old.closeAsItIs()
		return
	}
	_, _, _ = old.checkpoint("PASSIVE")
	_ = old.close()
	if errors.Is(cause, errMoved) {
		old.files.removeBeside()
	}
}

func (w *writer) logRecovery(from origin, file identity) {
	log, database := w.log, w.path
	switch {
	case from == quarantined: // logged already
	case from == created && w.lost != nil && !errors.Is(w.lost, greylist.ErrDamaged):
		log.Error(eventGone, "database", database)
	case errors.Is(w.lost, errMoved), w.file != identity{} && w.file != file:
		log.Warn(eventReplaced, "database", database)
	case errors.Is(w.lost, errCut):
		log.Error(eventLogCut, "database", database)
	case errors.Is(w.lost, errBeside):
		log.Warn(eventReopened, "database", database)
	}
}
