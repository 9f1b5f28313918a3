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

// The data source names of the connections. PRAGMAs are in them, because executing them would
// reach one connection of a pool only. mode=rw does not create a missing file.

// writerDSN is for the writer. It waits for a lock for 100 ms at a time, so that it notices
// when no caller waits any more. It truncates a long log when it restarts it. Its cache is
// small, because SQLite scans all of it at a commit that has split a page of the index.
func writerDSN(path string) string {
	return dsn(path, "rw", "busy_timeout(100)", "wal_autocheckpoint(0)", "cache_size(-4096)",
		fmt.Sprintf("journal_size_limit(%d)", walLimit))
}

// readerDSN is for reading. It writes nothing, except that closing a database after a crash
// copies its log into the file.
func readerDSN(path string) string {
	return dsn(path, "rw", "busy_timeout(5000)", "query_only(1)", "wal_autocheckpoint(0)")
}

// lookupDSN is for the [lookups], which wait for no lock. Its cache is small, because each
// change of the database empties it.
func lookupDSN(path string) string {
	return dsn(path, "rw", "busy_timeout(0)", "query_only(1)", "wal_autocheckpoint(0)", "cache_size(-2048)")
}

// checkpointDSN is for checkpoints, which wait for no lock.
func checkpointDSN(path string) string {
	return dsn(path, "rw", "busy_timeout(0)", "synchronous(FULL)", "wal_autocheckpoint(0)")
}

// inspectDSN is for reading a database that may be corrupt: it changes nothing in it, also
// if it is the last connection. (immutable=1 would create no -wal and -shm files, but could
// delete the log of a program that opens the database at that moment.)
func inspectDSN(path string) string { return dsn(path, "ro", "busy_timeout(1000)") }

// newFileDSN is for a temporary file that is removed after any failure: it needs no
// journal, and is synced as a whole.
func newFileDSN(path string) string { return dsn(path, "rw", "journal_mode(OFF)", "synchronous(OFF)") }

// dsn names the file by a URI (sqlite.org/uri.html), so that its path may contain any
// character.
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

// connection is a single connection.
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

// keepLocks makes SQLite use OFD locks. POSIX locks would be released when the process
// closes the file, as [inspect] does. On systems without OFD locks that matters only to a
// process that opens one database twice.
func keepLocks() { _, _ = sqlite.OFDLocking(true) }

// untilFree calls f until it does not fail because of a lock.
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

// openError adds the path and the advice to the error of opening a database.
func openError(path string, err error) error {
	if isBusy(err) {
		return fmt.Errorf("%s is locked by another program; end that, or wait for it: %w", path, err)
	}
	if what, known := advice[sqliteCode(err)]; known {
		return fmt.Errorf("cannot open %s: %w; %s", path, err, what)
	}
	return fmt.Errorf("cannot open %s: %w", path, err)
}
