package greylist

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
)

// The errors of a [Store] that callers tell apart. Any other error means that the
// database failed, perhaps for a moment only; it is, or wraps, a [Fault].
var (
	// ErrNoDatabase: there is no database yet, and the caller may not create one.
	ErrNoDatabase = errors.New("no database")
	// ErrNotOurs: the database belongs to another program; it is left untouched.
	ErrNotOurs = errors.New("not a Greyglass database")
	// ErrNewer: the database was written by a newer version of Greyglass.
	ErrNewer = errors.New("database of a newer version")
	// ErrDamaged: the database is a Greyglass database, but corrupt.
	ErrDamaged = errors.New("damaged database")
	// ErrClockSkew: the clocks of this machine and of the database server differ too
	// much, so that nothing is expired.
	ErrClockSkew = errors.New("clocks differ")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
)

// Change decides for [Memory.Update]: remembered[i] is the entry of the i-th triplet,
// or nil. It is called again when the transaction is retried, so it must have no side
// effects, not retain remembered, and not block. It may be called with the first entry
// alone; its decision then counts only if it writes nothing.
type Change func(remembered []*Entry) Decision

// Memory is the part of a [Store] that a [judge.Judge] needs.
type Memory interface {
	// Update reads the entries of the triplets, calls change, and writes the rows of
	// its decision, atomically: no other update of one of the triplets, from this
	// process or another, comes between the read and the write. The triplets must
	// differ; there may be none, for a decision that writes other rows alone. It returns
	// the decision of the call whose rows were written, once they are committed. If the
	// context ended first, the error wraps the context's, and the rows may have been
	// written or not. A decision that writes nothing may be returned even while the
	// database takes no writes.
	Update(ctx context.Context, triplets []Triplet, change Change) (Decision, error)

	// Get returns the entry of the triplet, or nil.
	Get(ctx context.Context, t Triplet) (*Entry, error)

	// Client returns the entry of a client, or nil. Decisions write it: [Decision.Client].
	Client(ctx context.Context, client string) (*ClientEntry, error)

	// Expected returns the expectations, also those that have ended, in the order of
	// recipient and sender (of the octets).
	Expected(ctx context.Context) ([]Expectation, error)

	// UseExpected marks an expectation for one recipient as used at a time, atomically, and
	// reports whether it did: if it was used, cancelled, or has ended, it did not. An error
	// means that it may be marked or not.
	UseExpected(ctx context.Context, e Expectation, now int64) (bool, error)

	// Correspondent returns the entry of a correspondent, or nil. Decisions write it:
	// [Decision.Correspondents].
	Correspondent(ctx context.Context, c Correspondent) (*CorrespondentEntry, error)

	// Ping commits a write that changes nothing, and returns nil if that succeeds.
	Ping(ctx context.Context) error
}

// Store is the database of Greyglass. All methods are safe for concurrent use.
type Store interface {
	Memory

	// Forget removes the triplet, and reports whether there was one.
	Forget(ctx context.Context, t Triplet) (bool, error)

	// List yields the records that match the filter, in the order in which they were
	// first stored. An error ends the sequence and comes with a zero [Record].
	List(ctx context.Context, f Filter) iter.Seq2[Record, error]

	// Stats counts the entries.
	Stats(ctx context.Context) (Stats, error)

	// Expire removes the expired entries of one small batch, which begins after the
	// cursor (zero: at the beginning), so that it does not delay mail. It returns how
	// many it removed and the next cursor, zero after the last batch.
	Expire(ctx context.Context, c Cutoffs, cursor int64) (removed int, next int64, err error)

	// Clients yields the clients, in the order of their names (of the octets). An error
	// ends the sequence and comes with a zero [ClientRecord].
	Clients(ctx context.Context) iter.Seq2[ClientRecord, error]

	// ForgetClient removes the client, and reports whether there was one. Its triplets
	// stay.
	ForgetClient(ctx context.Context, client string) (bool, error)

	// ExpireClients removes a small batch of the clients that were last seen before a
	// time, in Unix seconds. It returns how many it removed, zero when none is left.
	ExpireClients(ctx context.Context, before int64) (removed int, err error)

	// Expect adds an expectation, or replaces that of the same recipient and sender. It
	// removes those that had ended at its Since. If there are [MaxExpected] others, it
	// returns [ErrManyExpected].
	Expect(ctx context.Context, e Expectation) error

	// CancelExpected removes the expectation of a recipient and a sender, and reports
	// whether there was one.
	CancelExpected(ctx context.Context, recipient, sender string) (bool, error)

	// ExpireExpected removes the expectations that had ended at a time, and returns how
	// many it removed.
	ExpireExpected(ctx context.Context, now int64) (removed int, err error)

	// Correspondents yields the correspondents, in the order of their users, then of
	// their addresses (of the octets). An error ends the sequence and comes with a zero
	// [CorrespondentRecord].
	Correspondents(ctx context.Context) iter.Seq2[CorrespondentRecord, error]

	// ForgetCorrespondent removes the correspondent, and reports whether there was one.
	ForgetCorrespondent(ctx context.Context, c Correspondent) (bool, error)

	// ExpireCorrespondents removes a small batch of the correspondents to whom the user
	// wrote last before a time, in Unix seconds. It returns how many it removed, zero when
	// none is left.
	ExpireCorrespondents(ctx context.Context, before int64) (removed int, err error)

	// Record adds counts to those of their hours, atomically, also while others add
	// to the same hours. After an error they may have been added or not; a [Batch] may be
	// sent again.
	Record(ctx context.Context, h History) error

	// History returns the counts, none zero, of the hours that begin at since, in Unix
	// seconds, or later, and when each entry of a list was last used, ever, in the
	// order of [History.Sort].
	History(ctx context.Context, since int64) (History, error)

	// ExpireHistory removes a small batch of the oldest counts of hours that begin
	// before a time, in Unix seconds. It returns how many it removed, zero when none
	// is left.
	ExpireHistory(ctx context.Context, before int64) (removed int, err error)

	// RecordCommand stores a command, until a daemon logs it. Of very many that no daemon
	// has logged, the oldest are removed.
	RecordCommand(ctx context.Context, c Command) error

	// LogCommands hands the stored commands, the oldest first, to log, and removes them. Of
	// several programs that do so at the same time one gets a command. If removing it
	// failed, it is handed out again, but not to the same program before it has restarted.
	LogCommands(ctx context.Context, log func(Command)) error

	// Backup writes a consistent copy of the database to a new file, while mail flows.
	// It reports its progress in bytes to progress, which may be nil. It returns an
	// error that wraps fs.ErrExist if the file is already there.
	Backup(ctx context.Context, file string, progress func(done, total int64)) error

	// Close completes the updates in progress and closes the store; later ones get
	// [ErrClosed].
	Close() error
}

// Bounded is a [Store] whose number of entries can be limited.
type Bounded interface {
	// Count returns about how many entries there are, without a scan of the table.
	Count(ctx context.Context) (int64, error)

	// Trim removes waiting entries, the newest of the networks that hold most, until
	// no more than most entries are left, or it has removed a bounded number. It returns how many
	// it removed, zero if another daemon has just done so.
	Trim(ctx context.Context, most int64) (removed int64, err error)
}

// Searchable is a [Store] that prepares in the background what makes List of a client, an
// address or a domain fast.
type Searchable interface {
	// PrepareSearch prepares the search of a bounded number of entries, and reports whether
	// more are to be prepared. Other programs may do so at the same time.
	PrepareSearch(ctx context.Context) (more bool, err error)
}

// Estimating is a [Store] that can estimate its numbers.
type Estimating interface {
	// Estimate is Stats, or, of a large database, an estimate of Waiting, Passed, Deferred
	// and Accepted, without OldestWaiting and LatestPassed. It reports whether it is one.
	Estimate(ctx context.Context) (st Stats, estimated bool, err error)
}

// EstimateStats estimates the numbers of a store, or counts them.
func EstimateStats(ctx context.Context, store Store) (st Stats, estimated bool, err error) {
	if s, ok := store.(Estimating); ok {
		return s.Estimate(ctx)
	}
	st, err = store.Stats(ctx)
	return st, false, err
}

// Record is a triplet with its entry.
type Record struct {
	Triplet
	Entry
}

// Filter selects records. Its zero value selects all.
type Filter struct {
	Waiting, Passed bool // only these states; neither or both: any

	// Client, where not empty, must equal the triplet's; of Senders and Recipients, where
	// not empty, one must. They are folded and cut as in [Triplet].
	Client              string
	Senders, Recipients []string
	Either              bool // one of Senders or of Recipients is enough

	// Only, if not nil, must hold for the record. Of what follows, what is not empty must
	// hold, too: by that, a database reads few of the records for which Only does not hold.
	Only                      func(Record) bool
	SenderEnds, RecipientEnds string // how the addresses end
	RecipientLocal            string // the local part of the recipient
	EitherDomain              string // the domain of the sender or of the recipient, or a parent of it

	// Since is the least LastSeen.
	Since int64

	Limit int // at most so many, the newest; zero: all

	// Newest bounds the search: of the records only about so many, the newest, are looked
	// at; zero: all.
	Newest int64

	// Progress, if not nil, is called now and then with the number of records that have
	// been looked at.
	Progress func(records int64)
}

// Unfiltered reports whether the filter selects all records, up to its limit.
func (f *Filter) Unfiltered() bool {
	return f.Waiting == f.Passed && f.Client == "" && len(f.Senders)+len(f.Recipients) == 0 && !f.Either &&
		f.SenderEnds+f.RecipientEnds+f.RecipientLocal+f.EitherDomain == "" && f.Since == 0 && f.Only == nil && f.Newest == 0
}

// Matches reports whether the filter selects a record.
func (f *Filter) Matches(r Record) bool {
	return (f.Waiting == f.Passed || f.Passed == r.Passed()) &&
		(f.Client == "" || f.Client == r.Client) &&
		f.matchesAddresses(r) &&
		strings.HasSuffix(r.Sender, f.SenderEnds) && strings.HasSuffix(r.Recipient, f.RecipientEnds) &&
		(f.RecipientLocal == "" || r.Recipient == f.RecipientLocal || strings.HasPrefix(r.Recipient, f.RecipientLocal+"@")) &&
		(f.EitherDomain == "" || inDomain(r.Sender, f.EitherDomain) || inDomain(r.Recipient, f.EitherDomain)) &&
		r.LastSeen >= f.Since &&
		(f.Only == nil || f.Only(r))
}

func (f *Filter) matchesAddresses(r Record) bool {
	sender, recipient := slices.Contains(f.Senders, r.Sender), slices.Contains(f.Recipients, r.Recipient)
	if f.Either {
		return sender || recipient
	}
	return (sender || len(f.Senders) == 0) && (recipient || len(f.Recipients) == 0)
}

// inDomain reports whether a folded address is of a domain or of one below it.
func inDomain(folded, domain string) bool {
	return strings.HasSuffix(folded, "@"+domain) || strings.Contains(folded, "@") && strings.HasSuffix(folded, "."+domain)
}

// Stats counts the entries. Times are Unix seconds, zero if there are none.
type Stats struct {
	Waiting, Passed    int64 // triplets by state
	Clients            int64 // that have passed the greylist
	Correspondents     int64 // to whom users have written
	Deferred, Accepted int64 // answers given to the triplets that are remembered
	OldestWaiting      int64 // the least FirstSeen of those waiting
	LatestPassed       int64 // the greatest PassedAt
	Bytes              int64 // size of the database on disk, where known
}
