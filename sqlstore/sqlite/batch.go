package sqlite

import (
	"context"
	"fmt"
	"maps"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// commit runs the jobs in one transaction. A joinable batch takes the jobs that arrive while
// the transaction runs. A failure of the storage fails all of them. If any fails for another
// reason, each is run again in its own transaction, so that it does not affect the others.
func (w *writer) commit(batch []*job, joinable bool) {
	batch, err := w.tryBatch(batch, joinable)
	if isTampered(err) && w.current.Load().err == nil {
		w.reopen(err)
		batch, err = w.tryBatch(batch, joinable)
	}
	switch {
	case err == nil:
		w.Began(len(batch))
		w.Ended()
		for _, j := range batch {
			j.done <- j.err
		}
	case isFault(err) || w.current.Load().err != nil || len(batch) == 1:
		w.counters.ReportPanic(err, w.log)
		for _, j := range batch {
			j.done <- err
		}
	default:
		for i := range batch {
			w.commit(batch[i:i+1:i+1], false)
		}
	}
}

// tryBatch runs the jobs in one transaction, and returns those whose callers still wait.
// If it returns an error, none of them is committed.
func (w *writer) tryBatch(batch []*job, joinable bool) ([]*job, error) {
	current := w.current.Load()
	if current.err != nil {
		return batch, current.err
	}
	batch, err := w.begin(current.db, batch)
	if err == nil && len(batch) > 0 {
		began := time.Now()
		if batch, err = w.runAll(current.db, batch, joinable); err == nil {
			w.counters.Done(len(batch), current.db.tx.wrote, time.Since(began))
		}
	}
	if err != nil {
		w.diagnose(current.db, err)
	}
	return batch, err
}

// begin begins a transaction. It waits for another program's lock as long as any caller
// waits. It returns the jobs whose callers still wait; if there are none, it has begun no
// transaction.
func (w *writer) begin(db *database, batch []*job) ([]*job, error) {
	if err := db.setSynchronous(*w.synchronous.Load()); err != nil {
		return batch, fmt.Errorf("%w: %w", errBegin, err)
	}
	for {
		if batch = stillWanted(batch); len(batch) == 0 {
			return nil, nil
		}
		err := db.tx.begin()
		if !isBusy(err) {
			w.locked.Store(false) // only now: between two batches the lock is still held
			if err != nil {
				err = fmt.Errorf("%w: %w", errBegin, err)
			} else {
				w.cache.begun(db.index)
			}
			return batch, err
		}
		w.locked.Store(true)
		if err := db.checkFiles(); err != nil {
			return batch, err
		}
		select {
		case <-w.giveUpLocks:
			return batch, err
		default:
		}
	}
}

// stillWanted drops the jobs whose context has ended.
func stillWanted(batch []*job) []*job {
	wanted := batch[:0]
	for _, j := range batch {
		if err := j.ctx.Err(); err != nil {
			j.done <- err
			continue
		}
		wanted = append(wanted, j)
	}
	return wanted
}

// runAll runs the jobs in the transaction and commits, or rolls back if any fails. It
// returns them, with those that joined the transaction.
func (w *writer) runAll(db *database, batch []*job, joinable bool) ([]*job, error) {
	batch, err := w.runEach(db.tx, batch, joinable)
	if err == nil {
		err = w.finish(db)
	}
	if err != nil {
		db.tx.rollback()
	}
	return batch, err
}

// runEach runs the jobs one after the other, until one fails. More jobs can join a joinable
// transaction meanwhile.
func (w *writer) runEach(tx *tx, batch []*job, joinable bool) ([]*job, error) {
	for i := 0; i < len(batch); i++ {
		j := batch[i]
		if j.err = j.ctx.Err(); j.err == nil { // else its caller has gone, and is not told otherwise
			if err := runSafely(j, tx); err != nil {
				return batch, err
			}
		}
		if joinable && i == len(batch)-1 {
			if next, ok := w.Next(len(batch), tx.wrote); ok {
				batch = append(batch, next)
			}
		}
	}
	return batch, nil
}

// finish commits. It checks the files first, so that no caller is answered from a deleted
// database (TestFaultDeleted), and nothing is written after the end of a truncated log
// (TestLogCut).
func (w *writer) finish(db *database) error {
	if db.tx.wrote {
		if err := db.checkFiles(); err != nil {
			return err
		}
	}
	pages, err := db.tx.commit()
	if err != nil {
		return err
	}
	w.cache.committed(pages, &db.tx.changes)
	if !db.tx.wrote {
		return nil
	}
	w.rows.Add(db.tx.rows)
	maps.Copy(w.recorded, db.tx.recorded)
	db.files.noteWALSize()
	w.wrote.Store(true)
	return nil
}

func runSafely(j *job, tx *tx) (err error) {
	defer backend.Rescue(&err)
	return j.run(tx)
}

// foundCorrupt is diagnose for an error of a reader, unless the database was replaced
// meanwhile. Commands leave a corrupt database as it is.
func (w *writer) foundCorrupt(ctx context.Context, db *database, err error) {
	if !w.create {
		return
	}
	w.pause(ctx, func() {
		if current := w.current.Load(); current.err == nil && current.db == db {
			w.diagnose(db, err)
		}
	})
}

// diagnose decides what to do about an error: reopen, check, or nothing.
func (w *writer) diagnose(db *database, err error) {
	if isFault(err) {
		w.counters.Failed.Add(1)
	}
	switch {
	case isCorrupt(err) && db.checkFiles() == nil:
		w.current.Store(&state{db, explain(w.path, fmt.Errorf("%w: %w", greylist.ErrDamaged, err))})
		if w.check != nil && !w.check.full {
			w.stopCheck() // it is slow, and does not read everything
		}
		w.startCheck()
	case isFault(err) && !isTampered(err) && !isFull(err) && !isBusy(err):
		w.suspect = true
	}
}
