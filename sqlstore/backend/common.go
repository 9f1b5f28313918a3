package backend

import (
	"context"
	"database/sql"

	"greyglass/greylist"
)

// Common has the methods of a [greylist.Store] that are the same in SQLite and PostgreSQL.
// They are in the files named after what they read and change.
type Common struct {
	db         Database
	skipLocked string // see [NewCommon]
	logged     loggedCommands
}

// Database is what [Common] needs of SQLite and PostgreSQL.
type Database interface {
	// Readers returns connections for reading.
	Readers() (*sql.DB, error)

	// Read calls read with them, perhaps more than once. It returns an error as Failed does.
	Read(ctx context.Context, read func(db *sql.DB) error) error

	// Failed converts the error of a statement to that of a method.
	Failed(ctx context.Context, err error) error

	// Change calls change in a transaction, perhaps more than once, and returns the rows that
	// it says it has changed, once they are committed.
	Change(ctx context.Context, change func(tx Transaction) (rows int64, err error)) (rows int64, err error)

	// MayExpire returns why nothing may be expired at present, or nil.
	MayExpire() error

	// Size returns the size of the database in bytes.
	Size(ctx context.Context, db *sql.DB) (int64, error)
}

// Transaction runs statements in one transaction. Their arguments are int64, bool, string or
// []byte.
type Transaction interface {
	// Change runs a statement, and returns how many rows it has changed.
	Change(statement string, args ...any) (rows int64, err error)

	// First reads the integers of the first row of a query, and reports whether there is one.
	First(query string, into []*int64, args ...any) (found bool, err error)

	// ClientsChange says, before the commit, whose rows of clients change; without names, that any
	// may: SQLite's cache has copies of them.
	ClientsChange(names ...string)
}

// NewCommon makes the methods; skipLocked is what a SELECT ends with that is to lock its rows,
// and to pass over those that others have locked. SQLite locks no rows: it is empty.
func NewCommon(db Database, skipLocked string) Common { return Common{db: db, skipLocked: skipLocked} }

// change runs a statement in a transaction of its own, and returns how many rows it has changed.
func (c *Common) change(ctx context.Context, statement string, args ...any) (rows int64, err error) {
	return c.db.Change(ctx, func(tx Transaction) (int64, error) { return tx.Change(statement, args...) })
}

// expire is change for a statement that removes what is old.
func (c *Common) expire(ctx context.Context, statement string, args ...any) (removed int, err error) {
	if err := c.db.MayExpire(); err != nil {
		return 0, err
	}
	n, err := c.change(ctx, statement, args...)
	return int(n), err
}

// Get implements [greylist.Memory].
func (c *Common) Get(ctx context.Context, t greylist.Triplet) (e *greylist.Entry, err error) {
	err = c.db.Read(ctx, func(db *sql.DB) error {
		e, err = get(ctx, db, t)
		return err
	})
	return e, err
}

// Stats implements [greylist.Store]. It reads the whole table.
func (c *Common) Stats(ctx context.Context) (st greylist.Stats, err error) {
	err = c.db.Read(ctx, func(db *sql.DB) error {
		if st, err = stats(ctx, db); err == nil {
			st.Bytes, err = c.db.Size(ctx, db)
		}
		return err
	})
	return st, err
}
