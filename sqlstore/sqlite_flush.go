package sqlstore

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	// flushInterval is how often the write-ahead log is copied into the
	// database while there are changes.
	flushInterval = time.Second

	// walLimit is the size in bytes from which on the log is begun anew. SQLite
	// does that at a moment when all of it is copied; under constant writing
	// that never comes by itself.
	walLimit = 64 << 20

	// pageSize is that of the database, in bytes: SQLite's default.
	pageSize = 4096
)

// flusher makes the checkpoints (sqlite.org/wal.html, section 2.2), on a
// connection of its own, so that no decision waits for one.
type flusher struct {
	conn   *connection
	writer *writer
	log    *slog.Logger

	changed bool // something was committed since the database was opened
	failing bool // the last attempt failed, and the log says so

	stop, done chan struct{}
}

func startFlusher(conn *connection, w *writer, log *slog.Logger) *flusher {
	f := &flusher{conn: conn, writer: w, log: log, stop: make(chan struct{}), done: make(chan struct{})}
	go f.loop()
	return f
}

func (f *flusher) loop() {
	defer close(f.done)
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-tick.C:
			f.report(f.flush())
		}
	}
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
	if err == nil && whole && pages*pageSize > walLimit {
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
	err = f.conn.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(`+mode+`)`).Scan(&busy, &pages, &copied)
	return pages, !busy && copied == pages, err
}

// report logs when checkpoints begin to fail, and when they work again.
func (f *flusher) report(err error) {
	switch failing := err != nil; {
	case failing && !f.failing:
		f.log.Warn("the write-ahead log can't be copied into the database, and grows", "error", err)
	case !failing && f.failing:
		f.log.Info("the write-ahead log is copied into the database again")
	}
	f.failing = err != nil
}

// close makes a last checkpoint, so that the database is whole in one file
// even if another program still has it open. The writer must have stopped.
func (f *flusher) close() error {
	close(f.stop)
	<-f.done
	var err error
	if f.changed || f.writer.wrote.Load() {
		if _, err = f.conn.ExecContext(context.Background(), `PRAGMA busy_timeout = 1000`); err == nil {
			_, _, err = f.checkpoint("TRUNCATE")
		}
	}
	return errors.Join(err, f.conn.Close())
}
