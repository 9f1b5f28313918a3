// Package sqlstore keeps what the greylist remembers in an SQL database: an
// SQLite file, made to be read by people with the sqlite3 program too.
//
// All changes go through one writer, which commits what is waiting together
// (writer.go, batch.go); a keeper looks after the database's files, and opens
// them anew when they fail (keeper.go, mend.go, check.go). The files named sqlite*.go hold what only SQLite needs.
package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"greyglass/greylist"
)

// ErrUnsupported is wrapped by [Open] and [Check] for a kind of database that
// this version does not support.
var ErrUnsupported = errors.New("sqlstore: not supported by this version")

// Options are how a store is opened. The zero value opens an existing database.
type Options struct {
	// Create is for the daemon: the database is created if there is none, and
	// begun anew if it is damaged (the damaged one is moved aside and kept),
	// when it is opened or when its file has gone; and it is checked, in the
	// background, from beginning to end.
	Create bool

	// Synchronous is when what was committed must be on the disk: [Full], also
	// if it is empty, or [Normal].
	Synchronous string

	// Logger is told of what no caller learns: what became of the database's
	// files, failed checkpoints, panics of a change. Nil: nobody is.
	Logger *slog.Logger
}

// Open opens the store that url names: "sqlite:PATH", a file, whose relative
// path counts from the working folder. The context bounds the opening only.
//
// The error wraps [greylist.ErrNoDatabase], [greylist.ErrNotOurs],
// [greylist.ErrNewer] or [greylist.ErrDamaged] where that is the reason; nothing
// was changed then. An older database is brought to the present version.
func Open(ctx context.Context, url string, opts Options) (greylist.Store, error) {
	path, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Synchronous, err = checkSynchronous(opts.Synchronous); err != nil {
		return nil, err
	}
	s, err := openSQLite(ctx, path, settings{opts.Create, opts.Synchronous, opts.Logger, migrations})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Check reports what is wrong with the url, without looking at the disk or the
// network; nil if [Open] can be tried.
func Check(url string) error {
	_, err := parseURL(url)
	return err
}

// parseURL returns the path of an SQLite database.
func parseURL(url string) (path string, err error) {
	scheme, rest, ok := strings.Cut(url, ":")
	switch {
	case !ok:
		return "", fmt.Errorf("sqlstore: %q is not of the form sqlite:PATH", url)
	case scheme == "postgres" || scheme == "postgresql":
		return "", fmt.Errorf("%w: PostgreSQL; use sqlite:PATH", ErrUnsupported)
	case scheme != "sqlite":
		return "", fmt.Errorf("sqlstore: unknown kind of database %q in %q; use sqlite:PATH", scheme, url)
	case rest == "":
		return "", fmt.Errorf("sqlstore: %q names no file; use sqlite:PATH", url)
	case strings.ContainsRune(rest, 0):
		return "", fmt.Errorf("sqlstore: %q has a NUL in its path", url)
	}
	return rest, nil
}
