package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"math"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// newestSQL returns rows before an id, the last of them first.
const newestSQL = `SELECT id, key, ` + backend.EntryColumns + ` FROM triplet WHERE id < $1 ORDER BY id DESC LIMIT $2`

// fillBatch is how many rows are read in one transaction, for which others wait.
const fillBatch = 200

// fillRetry is added to the time of an attempt that failed: [writer.pace] waits nine times as
// long, so the next attempt follows a second later.
const fillRetry = time.Second / 9

// fillCache reads the passed triplets that were stored last, once, in the background.
func (s *Store) fillCache() {
	defer close(s.filled)
	before := int64(math.MaxInt64)
	for room := s.writer.cache.size(); room > 0 && before > 0; {
		began := time.Now()
		var first int64
		var passed int
		err := s.writer.do(context.Background(), func(tx *tx) (err error) {
			first, passed, err = tx.newest(before, fillBatch)
			return err
		}, nil)
		if errors.Is(err, greylist.ErrClosed) {
			return
		}
		if err != nil {
			began = began.Add(-fillRetry)
		} else {
			before, room = first, room-passed
		}
		s.writer.pace(context.Background(), began)
	}
}

// newest reads rows before an id for the cache. It returns the id of the first of them,
// zero if there is none, and how many have passed.
func (tx *tx) newest(before, limit int64) (first int64, passed int, err error) {
	newest, err := tx.conn.prepare(newestSQL)
	if err != nil {
		return 0, 0, err
	}
	rows, err := newest.ask.QueryContext(context.Background(), newest.with([]any{before, limit}))
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var columns [8]driver.Value
	for {
		if err := rows.Next(columns[:]); err == io.EOF {
			return first, passed, nil
		} else if err != nil {
			return 0, 0, err
		}
		key, _ := columns[1].([]byte)
		var n [len(columns)]int64
		for i, v := range columns {
			n[i], _ = v.(int64)
		}
		first = n[0]
		if e := (greylist.Entry{FirstSeen: n[2], LastSeen: n[3], PassedAt: n[4], Deferred: n[5], Accepted: n[6], FirstAttempt: n[7]}); e.Passed() && len(key) == len(backend.Key{}) {
			tx.changes.triplets = append(tx.changes.triplets, change{backend.Key(key), e})
			passed++
		}
	}
}
