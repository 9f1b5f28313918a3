package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// errBegin: the transaction could not begin, which is no job's fault.
var errBegin = errors.New("cannot begin")

// isCorrupt reports whether SQLite says that the database is corrupt.
func isCorrupt(err error) bool {
	code := sqliteCode(err)
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}

// isFull reports whether the disk is full. Connections then stay usable.
func isFull(err error) bool { return sqliteCode(err) == sqlite3.SQLITE_FULL }

// isBusy reports whether another connection held a lock.
func isBusy(err error) bool { return sqliteCode(err) == sqlite3.SQLITE_BUSY }

// isFault reports whether the storage failed, rather than the request.
func isFault(err error) bool {
	if err == nil {
		return false
	}
	_, known := advice[sqliteCode(err)]
	return known || isTampered(err) || errors.Is(err, errBegin)
}

// mayPass reports whether opening the database may succeed later, without a change of the
// configuration, of permissions or of the program.
func mayPass(err error) bool {
	if errors.Is(err, greylist.ErrNotOurs) || errors.Is(err, greylist.ErrNewer) || errors.Is(err, fs.ErrPermission) {
		return false
	}
	return isFault(err) || errors.As(err, new(syscall.Errno)) || errors.Is(err, greylist.ErrDamaged) || errors.Is(err, greylist.ErrNoDatabase)
}

// sqliteCode returns the primary result code (sqlite.org/rescode.html) of an error, zero
// if it is not SQLite's.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// advice says what to do about a failure of the storage.
var advice = map[int]string{
	sqlite3.SQLITE_BUSY:     lockedAdvice,
	sqlite3.SQLITE_FULL:     fullAdvice,
	sqlite3.SQLITE_READONLY: writableAdvice,
	sqlite3.SQLITE_PERM:     writableAdvice,
	sqlite3.SQLITE_CANTOPEN: writableAdvice,
	sqlite3.SQLITE_IOERR:    brokenAdvice,
	sqlite3.SQLITE_PROTOCOL: "another program keeps it busy; end that",
	sqlite3.SQLITE_NOMEM:    "the machine is short of memory",
	sqlite3.SQLITE_CORRUPT:  damagedAdvice,
	sqlite3.SQLITE_NOTADB:   damagedAdvice,
}

const (
	fullAdvice     = "make room on its file system"
	writableAdvice = "the file and its folder must be writable for the daemon's user, and their file system not mounted read-only"
	damagedAdvice  = "the daemon checks the database; if it is corrupt, the daemon moves it to PATH.corrupt-TIME and creates an empty one"
	lockedAdvice   = "end the program that holds the lock ('fuser FILE' finds it)"
	slowAdvice     = "look at the disk and at the load of the machine"
	brokenAdvice   = "look at the kernel's log, the disk, its quota, and whether it is mounted read-only"
	sharedAdvice   = "end the other programs that have it open ('fuser FILE' finds them)"
	foreignAdvice  = "bring the database back"
)

// isRoom reports whether the file system, or the user's quota, is full.
func isRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// explain adds the advice to an error.
func explain(path string, err error) error {
	if err == nil || errors.As(err, new(*greylist.Fault)) {
		return err
	}
	what := foreignAdvice
	switch {
	case errors.Is(err, greylist.ErrDamaged):
		what = damagedAdvice
	case errors.Is(err, greylist.ErrNotOurs), errors.Is(err, greylist.ErrNewer), errors.Is(err, greylist.ErrNoDatabase), errors.Is(err, errMoved):
	case isTampered(err):
		what = sharedAdvice
	case isFault(err):
		what = cmp.Or(advice[sqliteCode(err)], "see the log")
	default:
		return err
	}
	if what != damagedAdvice {
		what += backend.ByItself
	}
	return &greylist.Fault{Database: path, Err: err, Advice: what}
}

// unusable is the error of a database that can't be opened.
func unusable(path string, err error) error {
	err = explain(path, err)
	if known := new(greylist.Fault); errors.As(err, &known) {
		return err
	}
	what := writableAdvice
	if isRoom(err) {
		what = fullAdvice
	}
	return &greylist.Fault{Database: path, Err: err, Advice: what + backend.ByItself}
}

// contextEnded is the error of a caller whose context ended before its job was run.
func contextEnded(path string, ctx error, locked bool) error {
	switch {
	case errors.Is(ctx, context.Canceled):
		return ctx
	case locked:
		return &greylist.Fault{Database: path, Err: fmt.Errorf("locked by another program: %w", ctx), Advice: lockedAdvice + backend.ByItself}
	}
	return &greylist.Fault{Database: path, Err: fmt.Errorf("no answer in time: %w", ctx), Advice: slowAdvice}
}
