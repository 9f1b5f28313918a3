package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"greyglass/greylist"
)

// tx is the transaction that the [writer] has under way, and its statements,
// prepared on the writer's connection. They run without a context: to
// interrupt one would undo the changes of all that share the transaction.
type tx struct {
	beginStmt, commitStmt, rollbackStmt *sql.Stmt
	getStmt, putStmt, removeStmt        *sql.Stmt
	batchStmt, expireStmt, pingStmt     *sql.Stmt
	answeredStmt, returnedStmt          *sql.Stmt
	oldAnsweredStmt, oldReturnedStmt    *sql.Stmt
	all                                 []*sql.Stmt

	wrote bool // whether this transaction has changed anything
}

// entryColumns are an [greylist.Entry], as [scanEntry] reads it.
const entryColumns = `first_seen, last_seen, coalesce(passed_at, 0), deferred, accepted`

func entryFields(e *greylist.Entry) []any {
	return []any{&e.FirstSeen, &e.LastSeen, &e.PassedAt, &e.Deferred, &e.Accepted}
}

const (
	getSQL = `SELECT ` + entryColumns + ` FROM triplet WHERE key = $1`

	putSQL = `INSERT INTO triplet (key, client, sender, recipient, first_seen, last_seen, passed_at, deferred, accepted)
		VALUES ($1, $2, $3, $4, $5, $6, nullif($7, 0), $8, $9)
		ON CONFLICT (key) DO UPDATE SET first_seen = excluded.first_seen, last_seen = excluded.last_seen,
		passed_at = excluded.passed_at, deferred = excluded.deferred, accepted = excluded.accepted`

	removeSQL = `DELETE FROM triplet WHERE key = $1`
)

func prepareTx(ctx context.Context, conn *sql.Conn) (*tx, error) {
	tx := new(tx)
	for _, s := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&tx.beginStmt, beginSQL},
		{&tx.commitStmt, `COMMIT`},
		{&tx.rollbackStmt, `ROLLBACK`},
		{&tx.getStmt, getSQL},
		{&tx.putStmt, putSQL},
		{&tx.removeStmt, removeSQL},
		{&tx.batchStmt, expireBatchSQL},
		{&tx.expireStmt, expireSQL},
		{&tx.pingStmt, markSQL},
		{&tx.answeredStmt, answeredSQL},
		{&tx.returnedStmt, returnedSQL},
		{&tx.oldAnsweredStmt, oldAnsweredSQL},
		{&tx.oldReturnedStmt, oldReturnedSQL},
	} {
		stmt, err := conn.PrepareContext(ctx, s.text)
		if err != nil {
			return nil, errors.Join(err, tx.close())
		}
		*s.stmt = stmt
		tx.all = append(tx.all, stmt)
	}
	return tx, nil
}

// close gives up the statements. The connection does not do it when it is
// closed, and would stay open behind the scenes.
func (tx *tx) close() error {
	var err error
	for _, stmt := range tx.all {
		err = errors.Join(err, stmt.Close())
	}
	return err
}

func (tx *tx) begin() error {
	tx.wrote = false
	_, err := tx.beginStmt.Exec()
	return err
}

func (tx *tx) commit() error {
	_, err := tx.commitStmt.Exec()
	return err
}

// rollback ends the transaction, if the failure that it answers has not.
func (tx *tx) rollback() {
	_, _ = tx.rollbackStmt.Exec() // fails only when there is no transaction any more
}

// get returns what is remembered under the key, or nil.
func (tx *tx) get(k key) (*greylist.Entry, error) {
	return scanEntry(tx.getStmt.QueryRow(k[:]))
}

// scanEntry reads a row of [getSQL]; nil if there is none.
func scanEntry(row *sql.Row) (*greylist.Entry, error) {
	var e greylist.Entry
	switch err := row.Scan(entryFields(&e)...); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &e, nil
}

func (tx *tx) put(k key, t greylist.Triplet, e greylist.Entry) error {
	tx.wrote = true
	_, err := tx.putStmt.Exec(k[:], t.Client, t.Sender, t.Recipient,
		e.FirstSeen, e.LastSeen, e.PassedAt, e.Deferred, e.Accepted)
	return err
}

// change runs a statement, and returns how many rows it has changed.
func (tx *tx) change(stmt *sql.Stmt, args ...any) (int64, error) {
	result, err := stmt.Exec(args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	if n > 0 {
		tx.wrote = true
	}
	return n, err
}
