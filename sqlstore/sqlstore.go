// Package sqlstore keeps what the greylist remembers in an SQL database: an
// SQLite file, made to be read by people with the sqlite3 program too, or a
// PostgreSQL database that several daemons share.
//
// All changes of an SQLite database go through one writer, which commits what is
// waiting together (writer.go, batch.go); a keeper looks after the database's
// files, and opens them anew when they fail (keeper.go, mend.go, check.go). The
// files named sqlite*.go hold what only SQLite needs, those named postgres*.go
// what only PostgreSQL does.
package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"greyglass/greylist"
)

// ErrUnsupported is wrapped by what this kind of database does not need, or does
// by means of its own.
var ErrUnsupported = errors.New("sqlstore: not supported")

// Options are how a store is opened. The zero value opens an existing database.
type Options struct {
	// Create is for the daemon. An SQLite database is created if there is none,
	// and begun anew if it is damaged (the damaged one is moved aside and kept),
	// when it is opened or when its file has gone; and it is checked, in the
	// background, from beginning to end. In a PostgreSQL database the schema is
	// created, if there is none and the role may; and it is opened also while it
	// can't be reached, or not be used, which every method then says.
	Create bool

	// Synchronous is when what was committed must be on the disk: [Full], also
	// if it is empty, or [Normal]. Of SQLite alone.
	Synchronous string

	// PasswordFile holds, in its first line, the password for PostgreSQL, in the
	// place of any other. It is read for each connection. Empty: there is none.
	PasswordFile string

	// Logger is told of what no caller learns: what became of the database's
	// files, failed checkpoints, panics of a change. Nil: nobody is.
	Logger *slog.Logger
}

// Open opens the store that url names: "sqlite:PATH", a file, whose relative
// path counts from the working folder; or "postgres://USER@HOST/DATABASE". The
// context bounds the opening only.
//
// The error wraps [greylist.ErrNoDatabase], [greylist.ErrNotOurs],
// [greylist.ErrNewer] or [greylist.ErrDamaged] where that is the reason; nothing
// was changed then. An older database is brought to the present version.
func Open(ctx context.Context, url string, opts Options) (greylist.Store, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if isPostgres(url) {
		s, err := openPostgres(ctx, url, opts, postgresMigrations)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	path, err := parseURL(url)
	if err != nil {
		return nil, err
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

// Check reports what is wrong with the url, without looking at a database or the
// network; nil if [Open] can be tried. The error holds no password.
func Check(url string) error {
	if isPostgres(url) {
		_, err := parsePostgres(url)
		return err
	}
	_, err := parseURL(url)
	return err
}

// Name is the database that a url names, for people: there is no password in it.
func Name(url string) string {
	if isPostgres(url) {
		if s, err := newServer(url, ""); err == nil {
			return s.name
		}
		return "postgres://…"
	}
	return url
}

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// parseURL returns the path of an SQLite database.
func parseURL(url string) (path string, err error) {
	const mend = "use sqlite:PATH or postgres://USER@HOST/DATABASE"
	scheme, rest, ok := strings.Cut(url, ":")
	switch {
	case !ok:
		return "", fmt.Errorf("sqlstore: %q names no database; %s", url, mend)
	case scheme != "sqlite":
		return "", fmt.Errorf("sqlstore: unknown kind of database %q; %s", scheme, mend)
	case rest == "":
		return "", fmt.Errorf("sqlstore: %q names no file; use sqlite:PATH", url)
	case strings.ContainsRune(rest, 0):
		return "", fmt.Errorf("sqlstore: %q has a NUL in its path", url)
	}
	return rest, nil
}
