package sqlite

import (
	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// tx is the writer's transaction. Its statements run without a context, because interrupting
// one would roll back the whole batch.
type tx struct {
	conn *direct

	wrote bool  // this transaction has changed something
	rows  int64 // triplets added, less those removed

	changes changes

	recorded map[string]int64 // the batches of the history in this transaction, by daemon; nil: none
}

const (
	// beginSQL takes the write lock at once. A deferred transaction that reads and then writes
	// would fail if another program writes in between.
	beginSQL = `BEGIN IMMEDIATE`

	commitSQL   = `COMMIT`
	rollbackSQL = `ROLLBACK`

	addSQL = `INSERT INTO triplet (key, client, sender, recipient, first_seen, last_seen, passed_at, deferred, accepted, first_attempt)
		VALUES ($1, $2, $3, $4, $5, $6, nullif($7, 0), $8, $9, nullif($10, 0)) ON CONFLICT DO NOTHING`

	setSQL = `UPDATE triplet SET first_seen = $2, last_seen = $3, passed_at = nullif($4, 0), deferred = $5, accepted = $6, first_attempt = nullif($7, 0)
		WHERE key = $1`
)

// prepare prepares what must not fail later: to end a transaction. It also reads the schema.
func (tx *tx) prepare() error {
	for _, text := range []string{beginSQL, commitSQL, rollbackSQL, backend.GetSQL} {
		if _, err := tx.conn.prepare(text); err != nil {
			return err
		}
	}
	return nil
}

func (tx *tx) begin() error {
	tx.wrote, tx.rows, tx.recorded = false, 0, nil
	tx.changes.reset()
	_, err := tx.conn.exec(beginSQL)
	tx.conn.pagesWritten()
	return err
}

// commit commits, and returns how many pages the transaction has written, zero if it has
// changed nothing.
func (tx *tx) commit() (pages int, err error) {
	if _, err := tx.conn.exec(commitSQL); err != nil {
		return 0, err
	}
	return tx.conn.pagesWritten(), nil
}

// rollback rolls back, if the failure has not done so.
func (tx *tx) rollback() {
	_, _ = tx.conn.exec(rollbackSQL) // fails only when there is no transaction any more
}

// get returns the entry of the key, or nil.
func (tx *tx) get(k backend.Key) (*greylist.Entry, error) {
	e, err := tx.conn.entry(k)
	if e != nil {
		tx.changes.triplets = append(tx.changes.triplets, change{k, *e})
	}
	return e, err
}

// add inserts a triplet, and reports whether it was unknown.
func (tx *tx) add(k backend.Key, t greylist.Triplet, e greylist.Entry) (added bool, err error) {
	n, err := tx.Change(addSQL, k[:], t.Client, t.Sender, t.Recipient,
		e.FirstSeen, e.LastSeen, e.PassedAt, e.Deferred, e.Accepted, e.FirstAttempt)
	tx.rows += n
	if n > 0 {
		tx.changes.triplets = append(tx.changes.triplets, change{k, e})
	}
	return n > 0, err
}

// set updates a triplet.
func (tx *tx) set(k backend.Key, e greylist.Entry) error {
	_, err := tx.Change(setSQL, k[:], e.FirstSeen, e.LastSeen, e.PassedAt, e.Deferred, e.Accepted, e.FirstAttempt)
	tx.changes.triplets = append(tx.changes.triplets, change{k, e})
	return err
}

// remove deletes a triplet, and returns 1 if there was one.
func (tx *tx) remove(k backend.Key) (int64, error) {
	n, err := tx.Change(backend.RemoveSQL, k[:])
	tx.rows -= n
	tx.changes.triplets = append(tx.changes.triplets, change{key: k})
	return n, err
}

// Change implements [backend.Transaction].
func (tx *tx) Change(text string, args ...any) (int64, error) {
	n, err := tx.conn.exec(text, args...)
	if n > 0 {
		tx.wrote = true
	}
	return n, err
}

// ClientsChange implements [backend.Transaction].
func (tx *tx) ClientsChange(names ...string) {
	tx.changes.clients = append(tx.changes.clients, names...)
	tx.changes.clientsExpired = tx.changes.clientsExpired || len(names) == 0
}

// First implements [backend.Transaction].
func (tx *tx) First(text string, into []*int64, args ...any) (bool, error) {
	return tx.conn.first(text, into, args...)
}
