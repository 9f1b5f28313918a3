package sqlite

import (
	"database/sql/driver"
	"errors"
	"maps"
	"slices"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// tx is the writer's transaction and its prepared statements. They run without a context,
// because interrupting one would roll back the whole batch.
type tx struct {
	conn                                  *direct
	beginStmt, commitStmt, rollbackStmt   *statement
	getStmt, addStmt, setStmt, removeStmt *statement
	batchStmt, expireStmt, pingStmt       *statement
	trimStmt, newestStmt                  *statement
	addClientStmt, setClientStmt          *statement
	removeClientStmt, expireClientsStmt   *statement
	noteCorrespondentStmt                 *statement
	removeCorrespondentStmt               *statement
	expireCorrespondentsStmt              *statement
	expectStmt, useExpectedStmt           *statement
	cancelExpectedStmt, endedStmt         *statement
	answeredStmt, returnedStmt, usedStmt  *statement
	oldAnsweredStmt, oldReturnedStmt      *statement
	recordCommandStmt, oldCommandsStmt    *statement
	removeCommandStmt                     *statement
	blocksBetweenStmt, hasRowStmt         *statement
	removeBlocksStmt, removeFiltersStmt   *statement
	addBlockStmt, addFilterStmt           *statement
	versionStmt                           *statement
	rowStmts                              map[string]*statement // by rowSQL
	all                                   []*statement

	wrote bool  // this transaction has changed something
	rows  int64 // triplets added, less those removed

	changes changes

	recorded map[string]int64 // the batches of the history in this transaction, by daemon; nil: none
}

const (
	addSQL = `INSERT INTO triplet (key, client, sender, recipient, first_seen, last_seen, passed_at, deferred, accepted, first_attempt)
		VALUES ($1, $2, $3, $4, $5, $6, nullif($7, 0), $8, $9, nullif($10, 0)) ON CONFLICT DO NOTHING`

	setSQL = `UPDATE triplet SET first_seen = $2, last_seen = $3, passed_at = nullif($4, 0), deferred = $5, accepted = $6, first_attempt = nullif($7, 0)
		WHERE key = $1`
)

func prepareTx(conn *direct) (*tx, error) {
	tx := &tx{conn: conn}
	for _, s := range []struct {
		stmt **statement
		text string
	}{
		{&tx.beginStmt, beginSQL},
		{&tx.commitStmt, `COMMIT`},
		{&tx.rollbackStmt, `ROLLBACK`},
		{&tx.getStmt, backend.GetSQL},
		{&tx.addStmt, addSQL},
		{&tx.setStmt, setSQL},
		{&tx.removeStmt, backend.RemoveSQL},
		{&tx.trimStmt, trimSQL},
		{&tx.newestStmt, newestSQL},
		{&tx.batchStmt, expireBatchSQL},
		{&tx.expireStmt, expireSQL},
		{&tx.pingStmt, markSQL},
		{&tx.addClientStmt, addClientSQL},
		{&tx.setClientStmt, setClientSQL},
		{&tx.removeClientStmt, backend.RemoveClientSQL},
		{&tx.expireClientsStmt, expireClientsSQL},
		{&tx.noteCorrespondentStmt, noteCorrespondentSQL},
		{&tx.removeCorrespondentStmt, backend.RemoveCorrespondentSQL},
		{&tx.expireCorrespondentsStmt, expireCorrespondentsSQL},
		{&tx.expectStmt, backend.ExpectSQL},
		{&tx.useExpectedStmt, backend.UseExpectedSQL},
		{&tx.cancelExpectedStmt, backend.CancelExpectedSQL},
		{&tx.endedStmt, backend.EndedSQL},
		{&tx.answeredStmt, answeredSQL},
		{&tx.returnedStmt, returnedSQL},
		{&tx.usedStmt, backend.UsedSQL},
		{&tx.oldAnsweredStmt, oldAnsweredSQL},
		{&tx.oldReturnedStmt, oldReturnedSQL},
		{&tx.recordCommandStmt, backend.RecordCommandSQL},
		{&tx.oldCommandsStmt, backend.OldCommandsSQL},
		{&tx.removeCommandStmt, backend.RemoveCommandSQL},
		{&tx.blocksBetweenStmt, backend.BlocksBetweenSQL},
		{&tx.hasRowStmt, backend.HasRowSQL},
		{&tx.removeBlocksStmt, backend.RemoveBlocksSQL},
		{&tx.removeFiltersStmt, backend.RemoveFiltersSQL},
		{&tx.addBlockStmt, backend.AddBlockSQL},
		{&tx.addFilterStmt, backend.AddFilterSQL},
		{&tx.versionStmt, `PRAGMA data_version`},
	} {
		stmt, err := conn.prepare(s.text)
		if err != nil {
			return nil, errors.Join(err, tx.close())
		}
		*s.stmt = stmt
		tx.all = append(tx.all, stmt)
	}
	var err error
	tx.rowStmts, err = prepareRows(conn)
	tx.all = slices.AppendSeq(tx.all, maps.Values(tx.rowStmts))
	if err != nil {
		return nil, errors.Join(err, tx.close())
	}
	return tx, nil
}

// close closes the statements. Otherwise the connection would stay open when it is
// closed.
func (tx *tx) close() error {
	var err error
	for _, stmt := range tx.all {
		err = errors.Join(err, stmt.Close())
	}
	return err
}

func (tx *tx) begin() error {
	tx.wrote, tx.rows, tx.recorded = false, 0, nil
	tx.changes.reset()
	_, err := tx.beginStmt.exec()
	tx.conn.pagesWritten()
	return err
}

// commit commits, and returns how many pages the transaction has written, zero if it has
// changed nothing.
func (tx *tx) commit() (pages int, err error) {
	if _, err := tx.commitStmt.exec(); err != nil {
		return 0, err
	}
	return tx.conn.pagesWritten(), nil
}

// rollback rolls back, if the failure has not done so.
func (tx *tx) rollback() {
	_, _ = tx.rollbackStmt.exec() // fails only when there is no transaction any more
}

// get returns the entry of the key, or nil.
func (tx *tx) get(k backend.Key) (*greylist.Entry, error) {
	e, err := tx.getStmt.entry(k)
	if e != nil {
		tx.changes.triplets = append(tx.changes.triplets, change{k, *e})
	}
	return e, err
}

// add inserts a triplet, and reports whether it was unknown.
func (tx *tx) add(k backend.Key, t greylist.Triplet, e greylist.Entry) (added bool, err error) {
	n, err := tx.change(tx.addStmt, k[:], t.Client, t.Sender, t.Recipient,
		e.FirstSeen, e.LastSeen, e.PassedAt, e.Deferred, e.Accepted, e.FirstAttempt)
	tx.rows += n
	if n > 0 {
		tx.changes.triplets = append(tx.changes.triplets, change{k, e})
	}
	return n > 0, err
}

// set updates a triplet.
func (tx *tx) set(k backend.Key, e greylist.Entry) error {
	_, err := tx.change(tx.setStmt, k[:], e.FirstSeen, e.LastSeen, e.PassedAt, e.Deferred, e.Accepted, e.FirstAttempt)
	tx.changes.triplets = append(tx.changes.triplets, change{k, e})
	return err
}

// remove deletes a triplet, and returns 1 if there was one.
func (tx *tx) remove(k backend.Key) (int64, error) {
	n, err := tx.change(tx.removeStmt, k[:])
	tx.rows -= n
	tx.changes.triplets = append(tx.changes.triplets, change{key: k})
	return n, err
}

// change runs a statement, and returns how many rows it has changed.
func (tx *tx) change(stmt *statement, args ...driver.Value) (int64, error) {
	n, err := stmt.exec(args...)
	if n > 0 {
		tx.wrote = true
	}
	return n, err
}
