// Package sqlstore opens a [greylist.Store] in an SQL database: an SQLite file (package
// sqlite), or a PostgreSQL database that several daemons share (package postgres). Both
// share package backend.
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

// Options are the options of [Open].
type Options = backend.Options

// Numbers are the counts of an open store.
type Numbers = backend.Numbers

// The differences of clocks that cause a warning, and that stop expiry.
const (
	WarnSkew   = postgres.WarnSkew
	ExpirySkew = postgres.ExpirySkew
)

// ErrUnsupported: this kind of database does not have or need the operation.
var ErrUnsupported = backend.ErrUnsupported

// Open opens the store that url names: "sqlite:PATH", a file, whose relative
// path counts from the working folder; or "postgres://USER@HOST/DATABASE". The
// context bounds the opening only.
//
// The error wraps [greylist.ErrNoDatabase], [greylist.ErrNotOurs],
// [greylist.ErrNewer] or [greylist.ErrDamaged] if that is the cause; nothing was changed
// then. An older database is migrated.
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

// Check checks the url, without opening a database. The error contains no password.
func Check(url string) error {
	if err := checkScheme(url); err != nil {
		return err
	}
	if isPostgres(url) {
		return postgres.Check(url)
	}
	return sqlite.Check(url)
}

// Name is the url without its password.
func Name(url string) string {
	if isPostgres(url) {
		return postgres.Name(url)
	}
	return url
}

// Migrate creates the schema in the PostgreSQL database that a URL names, or
// brings it to the present version, and returns that. For an SQLite file the error wraps
// [ErrUnsupported].
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

// ClockAhead returns how far this machine's clock is ahead of the database server's, if
// there is one and they have been compared.
func ClockAhead(store greylist.Store) (ahead time.Duration, known bool) {
	s, ok := store.(interface{ ClockAhead() (time.Duration, bool) })
	if !ok {
		return 0, false
	}
	return s.ClockAhead()
}

// SetSynchronous changes [Options] Synchronous of an open SQLite store, from the next
// commit on; it does nothing for other stores.
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
