package sqlite

import (
	"context"
	"time"
)

const (
	// walLimit is the size in bytes from which on the WAL is restarted. SQLite restarts it
	// when all of it is copied, which never happens by itself under constant writes.
	walLimit = 64 << 20

	// checkpointTimeout is how long checkpoints may fail before a warning is logged.
	checkpointTimeout = time.Minute
)

// checkpointer makes a checkpoint every second (sqlite.org/wal.html, section 2.2), on its
// own connection, so that no decision waits for it.
type checkpointer struct {
	writer  *writer
	changed bool      // something was committed since the database was opened
	failing time.Time // since when every attempt has failed; zero: the last has not
	told    bool      // logged that it fails

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

// run makes a checkpoint. If the log is long, it pauses the writer, for a short moment,
// to copy the rest and restart the log. A reader with an old snapshot prevents that; the
// log then grows. If other programs have changed the files, run copies nothing, and the
// writer reopens the database.
func (c *checkpointer) run() error {
	current := c.writer.current.Load()
	if current.err != nil || current.db.checkFiles() != nil || !c.writer.wrote.Swap(false) {
		return nil
	}
	c.changed = true
	pages, whole, err := current.db.checkpoint("PASSIVE")
	if err == nil && whole && walSize(pages, current.db.pageSize) > walLimit {
		if _, whole, err = current.db.checkpoint("PASSIVE"); err == nil && whole {
			c.writer.pause(c.ctx, func() { _, whole, err = current.db.checkpoint("RESTART") })
		}
	}
	if err != nil || !whole {
		c.writer.wrote.Store(true) // retry the next time
	}
	return err
}

// report logs when checkpoints have failed for a while, and when they succeed again.
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

// last copies all of the log into the database and truncates it, unless a reader blocks
// that for a second. The database is then complete in one file, even if another program
// has it open. The writer must have stopped.
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

// checkpoint makes a checkpoint, and returns the number of pages in the log at its
// beginning, and whether all were copied.
func (d *database) checkpoint(mode string) (pages int64, whole bool, err error) {
	var busy bool
	var copied int64
	err = d.checkpoints.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(`+mode+`)`).Scan(&busy, &pages, &copied)
	return pages, !busy && copied == pages, err
}
