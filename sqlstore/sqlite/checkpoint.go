package sqlite

import (
	"context"
	"time"
)

const (
	// walLimit is the size in bytes from which on the log is restarted. SQLite
	// does that at a moment when all of it is copied; under constant writing
	// that never comes by itself.
	walLimit = 64 << 20

	// checkpointTimeout is how long checkpoints may fail before the log tells.
	checkpointTimeout = time.Minute
)

// checkpointer copies what was committed from the write-ahead log into the database
// every second (sqlite.org/wal.html, section 2.2), on a connection of its own, so that
// no decision waits for it.
type checkpointer struct {
	writer  *writer
	changed bool      // something was committed since the database was opened
	failing time.Time // since when every attempt has failed; zero: the last has not
	told    bool      // the log says so

	ctx     context.Context // ends with the store
	stop    context.CancelFunc
	stopped chan struct{}
}

func startCheckpointer(w *writer) *checkpointer {
	c := &checkpointer{writer: w, stopped: make(chan struct{})}
	c.ctx, c.stop = context.WithCancel(context.Background())
	go c.loop()
	return c
}

func (c *checkpointer) loop() {
	defer close(c.stopped)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
			c.report(c.run())
		}
	}
}

func (c *checkpointer) close() {
	c.stop()
	<-c.stopped
}

// run copies what was committed since the last time. If the log is long, the
// writer pauses while it is restarted: when all but the latest is copied, so
// that the pause is short. A reader with an old view of the database may be in
// the way of that for as long as it likes; then the log grows. Nothing is copied of
// files that were changed by others: the writer reopens the database.
func (c *checkpointer) run() error {
	now := c.writer.now.Load()
	if now.err != nil || now.db.checkFiles() != nil || !c.writer.wrote.Swap(false) {
		return nil
	}
	c.changed = true
	pages, whole, err := now.db.checkpoint("PASSIVE")
	if err == nil && whole && logSize(pages, now.db.pageSize) > walLimit {
		if _, whole, err = now.db.checkpoint("PASSIVE"); err == nil && whole {
			c.writer.pause(func() { _, whole, err = now.db.checkpoint("RESTART") })
		}
	}
	if err != nil || !whole {
		c.writer.wrote.Store(true) // again the next time
	}
	return err
}

// report logs when checkpoints have failed for a while, and when they work again.
// What makes them fail at once is mostly told of already, since mail feels it.
func (c *checkpointer) report(err error) {
	switch {
	case err == nil:
		if c.told {
			c.writer.log.Info(eventCheckpointsAgain)
		}
		c.failing, c.told = time.Time{}, false
	case c.failing.IsZero():
		c.failing = time.Now()
	case !c.told && time.Since(c.failing) > checkpointTimeout:
		c.writer.log.Warn(eventCheckpointFails, "error", err)
		c.told = true
	}
}

// last copies all of the log into the database and leaves it empty, unless a reader
// is in the way for a second, so that the database is whole in one file even if
// another program still has it open. The writer must have stopped.
func (c *checkpointer) last(db *database) error {
	if !c.changed && !c.writer.wrote.Load() {
		return nil
	}
	if _, err := db.checkpoints.ExecContext(context.Background(), `PRAGMA busy_timeout = 1000`); err != nil {
		return err
	}
	_, _, err := db.checkpoint("TRUNCATE")
	return err
}

// checkpoint returns how many pages were in the log when it began, and whether
// all of them are copied.
func (d *database) checkpoint(mode string) (pages int64, whole bool, err error) {
	var busy bool
	var copied int64
	err = d.checkpoints.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(`+mode+`)`).Scan(&busy, &pages, &copied)
	return pages, !busy && copied == pages, err
}
