// Package backend holds what the database backends of sqlstore share: how a store is
// opened, group commit, the keys and statements that every database understands, and
// the counters.
package backend

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"greyglass/greylist"
)

// ErrUnsupported is wrapped by what this kind of database does not need, or does
// by means of its own.
var ErrUnsupported = errors.New("not supported")

// Options are how a store is opened. The zero value opens an existing database.
type Options struct {
	// Create is for the daemon. An SQLite database is created if there is none; one
	// that is corrupt, when it is opened or when a check of all of it finds it so, is
	// quarantined, and an empty one created. In a PostgreSQL database the schema is
	// created, if there is none and the role may. Both are opened also while they can't
	// be reached or used, which every method then says.
	Create bool

	// Synchronous is when what was committed must be on the disk: [Full], also
	// if it is empty, or [Normal]. Of SQLite alone.
	Synchronous string

	// PasswordFile holds, in its first line, the password for PostgreSQL, in the
	// place of any other. It is read for each connection. Empty: there is none.
	PasswordFile string

	// Waiting is told which sessions of PostgreSQL hold a lock that is waited for, once it
	// has been for a while, and when these change. It is for commands.
	Waiting func(sessions string)

	// Now is this machine's clock, with monotonic readings. Nil: [time.Now].
	Now func() time.Time

	// Logger is told of what no caller learns: what became of the database's
	// files, failed checkpoints, panics of a change. Nil: there is none.
	Logger *slog.Logger
}

// Log returns the Logger, or one that discards all.
func (o Options) Log() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

// Clock returns Now, or what stands for it.
func (o Options) Clock() func() time.Time {
	if o.Now == nil {
		return time.Now
	}
	return o.Now
}

// The values of [Options] Synchronous (sqlite.org/pragma.html#pragma_synchronous).
const (
	Full   = "full"   // before it is acknowledged: a power cut loses nothing
	Normal = "normal" // within a second or so: a power cut may lose that
)

const (
	// OpenTimeout bounds how long opening waits for the database.
	OpenTimeout = 10 * time.Second

	// CloseTimeout bounds how long Close takes where the database does not answer.
	CloseTimeout = 5 * time.Second

	// ExpireBatch is how many rows one call of Expire looks at: some milliseconds
	// of the writer's time at most.
	ExpireBatch = 200
)

// ByItself is the end of the advice on what the store recovers from.
const ByItself = "; then it goes on by itself"

// NewerError is the error of a database whose schema this program does not know.
func NewerError(version, newest int) error {
	return fmt.Errorf("%w: it has version %d, this program knows up to %d; use the newer program, or another database",
		greylist.ErrNewer, version, newest)
}
