// Package backend has what the database backends of sqlstore share: the methods of a store
// that are the same in both (common.go), options, group commit, keys, searches and counters.
package backend

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"greyglass/greylist"
)

// ErrUnsupported: this kind of database does not have or need the operation.
var ErrUnsupported = errors.New("not supported")

// Options are the options of opening a store. The zero value opens an existing database.
type Options struct {
	// Create is for the daemon. It creates a missing SQLite database, and quarantines a
	// corrupt one (when it is opened, or after a full check) and creates an empty one.
	// In PostgreSQL it creates a missing schema, if the role may. Opening also succeeds
	// while the database is unavailable; every method then returns an error.
	Create bool

	// Synchronous is when commits of SQLite must be on the disk: [Full], the default, or
	// [Normal].
	Synchronous string

	// CacheTriplets is how many triplets that have passed are kept in memory, at most, in
	// front of an SQLite database; zero or less: none.
	CacheTriplets int

	// PasswordFile has in its first line the password for PostgreSQL, which overrides any
	// other. It is read for each connection. Empty: none.
	PasswordFile string

	// Waiting, for commands, is called with the PostgreSQL sessions that hold a lock,
	// after waiting for it for a while, and when they change.
	Waiting func(sessions string)

	// Now is this machine's clock, with monotonic readings. Nil: [time.Now].
	Now func() time.Time

	// Logger logs what no caller learns: changes of the database's files, failed
	// checkpoints, panics. Nil: nothing is logged.
	Logger *slog.Logger
}

// Log returns the Logger, or one that discards all.
func (o Options) Log() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

// Clock returns Now, or its default.
func (o Options) Clock() func() time.Time {
	if o.Now == nil {
		return time.Now
	}
	return o.Now
}

// The values of [Options] Synchronous (sqlite.org/pragma.html#pragma_synchronous).
const (
	Full   = "full"   // before it is acknowledged: a power failure loses nothing
	Normal = "normal" // within a second or so: a power failure loses that
)

const (
	// OpenTimeout bounds how long opening waits for the database.
	OpenTimeout = 10 * time.Second

	// CloseTimeout bounds how long Close takes if the database does not answer.
	CloseTimeout = 5 * time.Second

	// ExpireBatch is how many rows one call of Expire reads: some milliseconds of the
	// writer's time at most.
	ExpireBatch = 200
)

// ByItself ends the advice about a fault from which the store recovers.
const ByItself = "; then it goes on by itself"

// NewerError is the error of a database with a newer schema.
func NewerError(version, newest int) error {
	return fmt.Errorf("%w: it has version %d, this program knows up to %d; use the newer program, or another database",
		greylist.ErrNewer, version, newest)
}
