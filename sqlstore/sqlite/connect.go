package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"modernc.org/sqlite"
)

// beginSQL takes the lock for writing at once: a transaction that first
// reads and then writes would otherwise lose to others.
const beginSQL = `BEGIN IMMEDIATE`

// The connections are of five kinds. PRAGMAs stand in the name of the data
// source because those that are executed reach one connection of a pool only.
// mode=rw: a file that has gone is not created again, and empty.

// writerDSN is for the writer. It waits for a lock for 100 ms and is asked
// again, so that it sees when no caller waits for it any more. It truncates a log that
// had to grow when it restarts that. Its cache is small: SQLite looks through all
// of it at the end of a commit that has split a page of the index.
func writerDSN(path string) string {
	return dsn(path, "rw", "busy_timeout(100)", "wal_autocheckpoint(0)", "cache_size(-4096)",
		fmt.Sprintf("journal_size_limit(%d)", walLimit))
}

// readerDSN is for those who only read.
func readerDSN(path string) string {
	return dsn(path, "rw", "busy_timeout(5000)", "query_only(1)", "wal_autocheckpoint(0)")
}

// lookupDSN is for the [lookups], which wait for no lock. Its cache is small: a change of
// the database empties it.
func lookupDSN(path string) string {
	return dsn(path, "rw", "busy_timeout(0)", "query_only(1)", "wal_autocheckpoint(0)", "cache_size(-2048)")
}

// checkpointDSN is for checkpoints, which wait for no lock.
func checkpointDSN(path string) string {
	return dsn(path, "rw", "busy_timeout(0)", "synchronous(FULL)", "wal_autocheckpoint(0)")
}

// probeDSN is for a look at a database that may not be whole: it changes
// nothing that it holds, also where it is the last to close it. (One that is
// immutable to SQLite would leave no files beside it, but delete the log of a
// program that begins to use it at that moment.)
func probeDSN(path string) string { return dsn(path, "ro", "busy_timeout(1000)") }

// newFileDSN is for a file that no other program knows yet, and that is thrown away
// if anything fails: it needs no journal, and is made durable as a whole.
func newFileDSN(path string) string { return dsn(path, "rw", "journal_mode(OFF)", "synchronous(OFF)") }

// dsn names the file by a URI (sqlite.org/uri.html), so that its path may hold
// any character.
func dsn(path, mode string, pragmas ...string) string {
	query := url.Values{"mode": {mode}, "_pragma": pragmas}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

func openPool(dsn string, size int) (*sql.DB, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// connection is one connection that belongs to its opener alone.
type connection struct {
	*sql.Conn
	db *sql.DB
}

func connect(ctx context.Context, dsn string) (*connection, error) {
	db, err := openPool(dsn, 1)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &connection{conn, db}, nil
}

// pageSizeOf returns the size of the database's pages, in bytes.
func pageSizeOf(ctx context.Context, conn *sql.Conn) (size int64, err error) {
	err = conn.QueryRowContext(ctx, `PRAGMA page_size`).Scan(&size)
	return size, err
}

func (c *connection) Close() error { return errors.Join(c.Conn.Close(), c.db.Close()) }

// keepLocks has SQLite lock files in a way that survives that we open, read
// and close a database file ourselves, as [inspect] does; the locks that POSIX
// gives a process end with that. Where the system has no other ones it matters
// only to a process that opens one database twice.
func keepLocks() { _, _ = sqlite.OFDLocking(true) }

// untilFree calls f until no lock is in its way.
func untilFree(ctx context.Context, f func() error) error {
	for {
		err := f()
		if !isBusy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// openError adds the path, and what to do, to the reason why a database could
// not be opened.
func openError(path string, err error) error {
	if isBusy(err) {
		return fmt.Errorf("%s is locked by another program; end that, or wait for it: %w", path, err)
	}
	if what, known := advice[sqliteCode(err)]; known {
		return fmt.Errorf("cannot open %s: %w; %s", path, err, what)
	}
	return fmt.Errorf("cannot open %s: %w", path, err)
}
