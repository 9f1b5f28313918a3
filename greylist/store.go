package greylist

import (
	"context"
	"errors"
	"iter"
)

// The errors of a [Store] that callers tell apart. Every other error means that
// the store could not be asked; whether it will answer again is not known. The
// error of a failing database is, or wraps, a [Fault].
var (
	// ErrNoDatabase: there is no database yet, and the caller may not create one.
	ErrNoDatabase = errors.New("greylist: no database")
	// ErrNotOurs: the database belongs to another program; it is left untouched.
	ErrNotOurs = errors.New("greylist: not a Greyglass database")
	// ErrNewer: the database was written by a newer version of Greyglass.
	ErrNewer = errors.New("greylist: database of a newer version")
	// ErrDamaged: the database is ours, but corrupt.
	ErrDamaged = errors.New("greylist: damaged database")
	// ErrClockSkew: nothing is expired, since this machine's clock and the database
	// server's differ too much.
	ErrClockSkew = errors.New("greylist: clocks differ")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("greylist: store is closed")
)

// Change is what [Memory.Update] asks for the decision: remembered[i] is what is
// remembered of the i-th triplet, or nil. It may be called more than once, as a
// transaction is tried again; so it has no side effect, does not keep remembered,
// and does not block.
type Change func(remembered []*Entry) Decision

// Memory is the part of a [Store] that a [judge.Judge] rests on.
type Memory interface {
	// Update reads the entries of the triplets, which differ, has the change
	// decide, and writes what the decision says, atomically: no other update of
	// one of the triplets, from this process or another, comes between the read
	// and the write. It returns the decision of the call whose rows were written,
	// and only once they are committed. It returns an error that wraps the
	// context's if the context ended first; the rows may then have been written
	// or not. A decision that writes nothing may be returned even where nothing
	// can be written.
	Update(ctx context.Context, triplets []Triplet, change Change) (Decision, error)

	// Get returns what is remembered of the triplet, or nil.
	Get(ctx context.Context, t Triplet) (*Entry, error)

	// Ping returns nil if something could be remembered now: it commits a write
	// that changes nothing.
	Ping(ctx context.Context) error
}

// Store is what Greyglass remembers. All methods are safe for concurrent use.
type Store interface {
	Memory

	// Forget removes the triplet, and reports whether there was anything to remove.
	Forget(ctx context.Context, t Triplet) (bool, error)

	// List yields what matches the filter, in the order in which it was first
	// remembered. An error ends the sequence and comes with a zero [Record].
	List(ctx context.Context, f Filter) iter.Seq2[Record, error]

	// Stats counts what is remembered.
	Stats(ctx context.Context) (Stats, error)

	// Expire removes entries that the cutoffs say are expired: it looks at no
	// more than a small batch of entries, beginning behind the cursor (zero to
	// begin), so that it never holds up mail for long. It returns how many it
	// removed and the cursor to go on from, zero when it has seen them all.
	Expire(ctx context.Context, c Cutoffs, cursor int64) (removed int, next int64, err error)

	// Record adds counts to those of their hours, whoever else adds to the same
	// at the same time. It returns an error if it has added none of them; if that
	// wraps the context's, they may have been added or not.
	Record(ctx context.Context, h History) error

	// History returns the counts of the hours that begin at since, in Unix
	// seconds, or later, in the order of [History.Sort]. None is zero.
	History(ctx context.Context, since int64) (History, error)

	// ExpireHistory removes counts of hours that begin before a time, in Unix
	// seconds: the oldest of them, so few at a call that mail is not held up. It
	// returns how many it removed, zero when there are none left.
	ExpireHistory(ctx context.Context, before int64) (removed int, err error)

	// Backup writes a copy of the database as it is at one moment to a new
	// file, while mail flows. progress, which may be nil, is told now and then
	// how many of how many bytes are done. It returns an error that wraps
	// fs.ErrExist if the file is already there.
	Backup(ctx context.Context, file string, progress func(done, total int64)) error

	// Close ends the store: updates already handed to it are completed, later
	// ones get [ErrClosed].
	Close() error
}

// Bounded is a [Store] that can be kept below a number of entries.
type Bounded interface {
	// Count returns how many entries there are, as nearly as can be told without
	// looking at them all.
	Count(ctx context.Context) (int64, error)

	// Trim removes waiting entries until there are no more entries than are to be
	// left, or as many as is well done at a time: the newest of the networks that
	// hold most. It returns how many it removed, none if others just did.
	Trim(ctx context.Context, left int64) (removed int64, err error)
}

// Record is a triplet with what is remembered of it.
type Record struct {
	Triplet
	Entry
}

// Filter selects records. Its zero value selects all.
type Filter struct {
	Waiting, Passed bool // only these states; neither or both: any

	// Client, Sender and Recipient, where not empty, must equal the triplet's,
	// which is folded and cut as [Triplet] says.
	Client, Sender, Recipient string

	Limit int // at most so many, the newest of them; zero: all
}

// Stats counts what is remembered. Times are Unix seconds, zero if there are none.
type Stats struct {
	Waiting, Passed    int64 // triplets by state
	Deferred, Accepted int64 // answers given to the triplets that are remembered
	OldestWaiting      int64 // the least FirstSeen of those waiting
	LatestPassed       int64 // the greatest PassedAt
	Bytes              int64 // size of the database on disk, where known
}
