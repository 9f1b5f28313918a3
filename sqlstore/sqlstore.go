// Package sqlstore keeps what the greylist remembers in an SQL database: an
// SQLite file (package sqlite), made to be read by people with the sqlite3 program
// too, or a PostgreSQL database (package postgres) that several daemons share. What
// both have in common is in package backend.
package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/problem"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/postgres"
	"greyglass/sqlstore/sqlite"
)

// Options are how a store is opened.
type Options = backend.Options

// Numbers are what an open store counts about itself.
type Numbers = backend.Numbers

// Clocks that differ by more than these are warned of, and keep entries from being expired.
const (
	WarnSkew   = postgres.WarnSkew
	ExpirySkew = postgres.ExpirySkew
)

// ErrUnsupported is wrapped by what this kind of database does not need, or does
// by means of its own.
var ErrUnsupported = backend.ErrUnsupported

// Open opens the store that url names: "sqlite:PATH", a file, whose relative
// path counts from the working folder; or "postgres://USER@HOST/DATABASE". The
// context bounds the opening only.
//
// The error wraps [greylist.ErrNoDatabase], [greylist.ErrNotOurs],
// [greylist.ErrNewer] or [greylist.ErrDamaged] where that is the reason; nothing
// was changed then. An older database is brought to the present version.
func Open(ctx context.Context, url string, opts Options) (greylist.Store, error) {
	if err := checkScheme(url); err != nil {
		return nil, err
	}
	if isPostgres(url) {
		s, err := postgres.Open(ctx, url, opts)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s, err := sqlite.Open(ctx, url, opts)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Check reports what is wrong with the url, without looking at a database or the
// network; nil if [Open] can be tried. The error holds no password.
func Check(url string) error {
	if err := checkScheme(url); err != nil {
		return err
	}
	if isPostgres(url) {
		return postgres.Check(url)
	}
	return sqlite.Check(url)
}

// Name is the database that a url names, for people: there is no password in it.
func Name(url string) string {
	if isPostgres(url) {
		return postgres.Name(url)
	}
	return url
}

// Migrate creates the schema in the PostgreSQL database that a URL names, or
// brings it to the present version, and returns that. An SQLite file needs no
// such thing: the error wraps [ErrUnsupported] for one.
func Migrate(ctx context.Context, url string, opts Options) (version int, err error) {
	if !isPostgres(url) {
		return 0, fmt.Errorf("%w: the daemon migrates an SQLite database by itself", ErrUnsupported)
	}
	return postgres.Migrate(ctx, url, opts)
}

// NumbersOf returns the numbers of a store, and whether it has any.
func NumbersOf(store greylist.Store) (Numbers, bool) {
	s, ok := store.(interface{ Numbers() Numbers })
	if !ok {
		return Numbers{}, false
	}
	return s.Numbers(), true
}

// ClockAhead returns by how much this machine's clock is ahead of that of the server that
// has the store, if it has one and they have been compared.
func ClockAhead(store greylist.Store) (ahead time.Duration, known bool) {
	s, ok := store.(interface{ ClockAhead() (time.Duration, bool) })
	if !ok {
		return 0, false
	}
	return s.ClockAhead()
}

// SetSynchronous changes [Options] Synchronous of an open store, from the next commit
// on. A store that is no SQLite file has no such thing.
func SetSynchronous(store greylist.Store, value string) error {
	return sqlite.SetSynchronous(store, value)
}

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

func checkScheme(url string) error {
	const fix = "use sqlite:PATH or postgres://USER@HOST/DATABASE"
	scheme, _, ok := strings.Cut(url, ":")
	switch {
	case !ok:
		return problem.Of(url, fix, "names no database")
	case scheme != "sqlite" && !isPostgres(url):
		return problem.New(fix, "unknown kind of database %q", scheme)
	}
	return nil
}
