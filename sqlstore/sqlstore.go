// Package sqlstore keeps what the greylist remembers in an SQL database: an
// SQLite file, made to be read by people with the sqlite3 program too.
//
// All changes go through one writer, which commits what is waiting together
// (see writer.go). The files named sqlite*.go hold what only SQLite needs.
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
	// Create allows to create the database if there is none.
	Create bool

	// Logger is told of what no caller learns: waits for another program's
	// lock, failed checkpoints, panics of a change. Nil: nobody is.
	Logger *slog.Logger
}

// Open opens the store that url names: "sqlite:PATH", a file, whose relative
// path counts from the working folder. The context bounds the opening only.
//
// The error wraps [greylist.ErrNoDatabase], [greylist.ErrNotOurs] or
// [greylist.ErrNewer] where that is the reason; nothing was changed then. An
// older database is brought to the present version.
func Open(ctx context.Context, url string, opts Options) (greylist.Store, error) {
	path, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := openSQLite(ctx, path, opts.Create, opts.Logger, migrations)
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
