package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore"

	_ "modernc.org/sqlite"
)

// fill makes a database of so many rows, half of them waiting and half passed,
// in one transaction of an SQLite that need not be careful.
func fill(file string, rows uint64, now time.Time, tell func(done uint64)) (err error) {
	store, err := sqlstore.Open(context.Background(), "sqlite:"+file, sqlstore.Options{Create: true})
	if err == nil {
		err = store.Close()
	}
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=synchronous(OFF)&_pragma=journal_mode(OFF)&_pragma=cache_size(-1048576)&_pragma=locking_mode(EXCLUSIVE)")
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			_, err = db.Exec(`PRAGMA journal_mode = WAL`)
		}
		if e := db.Close(); err == nil {
			err = e
		}
	}()
	db.SetMaxOpenConns(1)
	if _, err = db.Exec(`BEGIN`); err != nil {
		return err
	}
	insert, err := db.Prepare(`INSERT INTO triplet (key, client, sender, recipient, first_seen, last_seen, passed_at, deferred, accepted)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	for n := range rows {
		if _, err = insert.Exec(rowOf(n, now)...); err != nil {
			return err
		}
		if n%100_000 == 0 {
			tell(n)
		}
	}
	_, err = db.Exec(`COMMIT`)
	return err
}

// columns are those of the table triplet, as rowOf fills them.
var columns = []string{"key", "client", "sender", "recipient", "first_seen", "last_seen", "passed_at", "deferred", "accepted"}

// rowOf is the row of the triplet of a number.
func rowOf(n uint64, now time.Time) []any {
	t := tripletOf(n)
	key := sha256.Sum256([]byte(t.client + "\x00" + t.sender + "\x00" + t.recipient)) // as the store has it; a wrong one shows as wrong verdicts
	seen := now.Add(-2 * time.Hour).Unix()
	var passed any
	last, accepted := seen, int64(0)
	if n%2 == 1 { // passed, so lately that it need not be noted again during the run
		last, accepted = now.Unix()-int64(n%600), 1
		passed = last
	}
	return []any{key[:16], t.client, t.sender, t.recipient, seen, last, passed, int64(1), accepted}
}

// fillDump writes the text file of milter-greylist with the same triplets as fill.
func fillDump(file string, rows uint64, now time.Time) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	for n := range rows {
		t, at, state := tripletOf(n), now.Add(-time.Hour), "" // when a retry of one that waits is accepted
		if n%2 == 1 {
			at, state = now.Add(30*24*time.Hour), " AUTO" // until when it passes
		}
		fmt.Fprintf(out, "%s\t<%s>\t<%s>\t%d%s\n", t.client, t.sender, t.recipient, at.Unix(), state)
	}
	return out.Flush()
}

// expireAll makes all rows of a database older than anything is kept, and returns
// how many there are.
func expireAll(file string) (rows int64, err error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=synchronous(OFF)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	result, err := db.Exec(`UPDATE triplet SET first_seen = 1, last_seen = 1, passed_at = min(passed_at, 1)`)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// left returns how many of them there still are.
func left(file string) (rows int64, err error) {
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	err = db.QueryRow(`SELECT count(*) FROM triplet WHERE first_seen = 1`).Scan(&rows)
	return rows, err
}

// prepareSearches has the searches of a database prepared, which a daemon does in the
// background.
func prepareSearches(file string) error {
	ctx := context.Background()
	store, err := sqlstore.Open(ctx, "sqlite:"+file, sqlstore.Options{})
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		more, err = store.(greylist.Searchable).PrepareSearch(ctx)
	}
	return errors.Join(err, store.Close())
}
