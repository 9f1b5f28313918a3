package sqlite

import (
	"context"
	"time"
)

const (
	// readRowsSQL reads whole rows after an id, and readKeysSQL the index after a key. They
	// return the last one; NULL if there is none.
	readRowsSQL = `SELECT max(id), total(length(key) + length(client) + length(sender) + length(recipient) +
			first_seen + last_seen + coalesce(passed_at, 0) + deferred + accepted + coalesce(first_attempt, 0))
		FROM (SELECT * FROM triplet WHERE id > $1 ORDER BY id LIMIT $2)`
	readKeysSQL = `SELECT max(key), total(length(key))
		FROM (SELECT key FROM triplet WHERE key > $1 ORDER BY key LIMIT $2)`

	// readBatch is how many rows are read at a time. No snapshot is held in between, so
	// that the log can restart.
	readBatch = 1000

	// progressInterval is how often the progress is logged.
	progressInterval = time.Minute
)

// readThrough reads all triplets and their index, by a tenth of a processor, and so finds
// out whether that can be done.
func (w *writer) readThrough(ctx context.Context, path string, progress time.Duration) error {
	conn, err := connect(ctx, readerDSN(path))
	if err != nil {
		return err
	}
	defer conn.Close()
	began, told := time.Now(), time.Now()
	next := func(query string, after, last any) error {
		began := time.Now()
		var any float64
		err := conn.QueryRowContext(ctx, query, after, readBatch).Scan(last, &any)
		w.pace(ctx, began)
		return err
	}
	tell := func(percent int64) {
		if time.Since(told) >= progress {
			told = time.Now()
			w.log.Info(eventChecking, "database", w.path, "percent", percent)
		}
	}
	var newest int64
	if err := conn.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM triplet`).Scan(&newest); err != nil {
		return err
	}
	for id := new(int64); ; {
		var last *int64
		if err := next(readRowsSQL, *id, &last); err != nil {
			return err
		}
		if last == nil {
			break
		}
		id = last
		tell(50 * *id / max(newest, *id))
	}
	for key := []byte{}; ; {
		var last []byte
		if err := next(readKeysSQL, key, &last); err != nil {
			return err
		}
		if last == nil {
			break
		}
		key = last
		tell(50 + 50*int64(key[0])/256)
	}
	if took := time.Since(began); took >= progress {
		w.log.Info(eventChecked, "database", w.path, "after", took.Round(time.Second).String())
	}
	return nil
}

// pace waits so long that work that began at a time takes a tenth of a processor, or until
// the context ends or the store closes.
func (w *writer) pace(ctx context.Context, began time.Time) {
	timer := time.NewTimer(9 * time.Since(began))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-w.Closing:
	}
}
