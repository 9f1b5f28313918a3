package sqlite

import (
	"context"
	"log/slog"
	"time"
)

const (
	// walLimit is the size in bytes from which on the log is begun anew. SQLite
	// does that at a moment when all of it is copied; under constant writing
	// that never comes by itself.
	walLimit = 64 << 20

	// flushPatience is how long checkpoints may fail before the log tells.
	flushPatience = time.Minute
)

// flushInterval is how often the write-ahead log is copied into the database
// while there are changes, and the [keeper] looks after all else.
var flushInterval = time.Second // tests make it shorter

// flusher makes the checkpoints (sqlite.org/wal.html, section 2.2), on a
// connection of its own, so that no decision waits for one. The [keeper] calls it.
type flusher struct {
	writer *writer
	log    *slog.Logger

	changed bool      // something was committed since the database was opened
	failing time.Time // since when every attempt has failed; zero: the last has not
	told    bool      // the log says so
}

// flush copies what was committed since the last time. If the log is long, the
// writer pauses while it is begun anew: when all but the latest is copied, so
// that the pause is short. A reader with an old view of the database may be in
// the way of that for as long as it likes; then the log grows.
func (f *flusher) flush() error {
	if !f.writer.wrote.Swap(false) {
		return nil
	}
	f.changed = true
	pages, whole, err := f.checkpoint("PASSIVE")
	if err == nil && whole && logSize(pages, f.writer.now.Load().db.pageSize) > walLimit {
		if _, whole, err = f.checkpoint("PASSIVE"); err == nil && whole {
			f.writer.pause(func() { _, whole, err = f.checkpoint("RESTART") })
		}
	}
	if err != nil || !whole {
		f.writer.wrote.Store(true) // again the next time
	}
	return err
}

// checkpoint returns how many pages were in the log when it began, and whether
// all of them are copied.
func (f *flusher) checkpoint(mode string) (pages int64, whole bool, err error) {
	var busy bool
	var copied int64
	db := f.writer.now.Load().db
	err = db.flushing.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(`+mode+`)`).Scan(&busy, &pages, &copied)
	return pages, !busy && copied == pages, err
}

// report logs when checkpoints have failed for a while, and when they work again.
// What makes them fail at once is mostly told of already, since mail feels it.
func (f *flusher) report(err error) {
	switch {
	case err == nil:
		if f.told {
			f.log.Info("the write-ahead log is copied into the database again")
		}
		f.failing, f.told = time.Time{}, false
	case f.failing.IsZero():
		f.failing = time.Now()
	case !f.told && time.Since(f.failing) > flushPatience && !f.writer.suspect.Load():
		f.log.Warn("the write-ahead log can't be copied into the database, and grows", "error", err)
		f.told = true
	}
}

// last makes a last checkpoint, so that the database is whole in one file even
// if another program still has it open. The writer must have stopped.
func (f *flusher) last() error {
	if !f.changed && !f.writer.wrote.Load() {
		return nil
	}
	return f.empty()
}

// empty copies all of the log into the database and leaves it empty, unless
// somebody is in the way for a second.
func (f *flusher) empty() error {
	_, err := f.tryEmpty()
	return err
}

// tryEmpty is empty, and reports whether all of the log was copied.
func (f *flusher) tryEmpty() (whole bool, err error) {
	db := f.writer.now.Load().db
	if _, err := db.flushing.ExecContext(context.Background(), `PRAGMA busy_timeout = 1000`); err != nil {
		return false, err
	}
	_, whole, err = f.checkpoint("TRUNCATE")
	_, _ = db.flushing.ExecContext(context.Background(), `PRAGMA busy_timeout = 0`)
	return whole, err
}
