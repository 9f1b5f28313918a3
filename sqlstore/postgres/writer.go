package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

const (
	beginSQL = `BEGIN ISOLATION LEVEL READ COMMITTED`

	// lockSQL skips rows that others have locked, so that they delay only the updates of
	// these rows.
	lockSQL = readSQL + ` ORDER BY key FOR UPDATE SKIP LOCKED`

	insertSQL = `INSERT INTO triplet (key, client, sender, recipient, first_seen, last_seen, passed_at, deferred, accepted, first_attempt)
		SELECT key, client, sender, recipient, first_seen, last_seen, nullif(passed_at, 0), deferred, accepted, nullif(first_attempt, 0)
		FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
			$10::bigint[]) AS new (key, client, sender, recipient, first_seen, last_seen, passed_at, deferred, accepted, first_attempt)
		ON CONFLICT (key) DO NOTHING RETURNING key`

	changeSQL = `UPDATE triplet SET first_seen = n.first_seen, last_seen = n.last_seen, passed_at = nullif(n.passed_at, 0),
			deferred = n.deferred, accepted = n.accepted, first_attempt = nullif(n.first_attempt, 0)
		FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
			AS n (key, first_seen, last_seen, passed_at, deferred, accepted, first_attempt)
		WHERE triplet.key = n.key`
)

// errInserted rolls back a transaction that must write all rows or none.
var errInserted = errors.New("another program has inserted a row")

// idleTrust is how long a connection may be idle before a write is preceded by a read,
// which detects a dead connection: after a lost COMMIT it is not known whether it happened.
const idleTrust = time.Second

// write runs a batch of updates in one transaction, and commits it. It skips rows that other
// sessions have locked. An insert waits for another session that inserts the same key, at
// most for lockTimeout; every daemon inserts new rows in the order of their keys, so that
// there are no deadlocks. An update of several triplets keeps their order instead: if that
// makes a deadlock, PostgreSQL ends one of the transactions, which is then tried again.
func (s *Store) write(ctx context.Context, batch []*update) {
	began := time.Now()
	t := newTransaction(batch)
	t.explicit = t.explicit || time.Since(s.writer.worked) > idleTrust
	err := s.writeIn(ctx, t)
	s.writer.Ended()
	switch {
	case err == nil:
		if t.wrote {
			s.writes.succeeded()
			s.counters.Done(len(t.unanswered), true, time.Since(began))
		}
		answer(t.unanswered, nil)
	case isConflict(err):
		answer(t.unanswered, errRetry)
	case isAboutData(err) && len(t.unanswered) > 1: // one update has bad data; run each by itself
		for i, u := range t.unanswered {
			if f := s.writes.fault(); f != nil {
				answer(t.unanswered[i:], f)
				return
			}
			s.write(ctx, []*update{u})
		}
	case isAboutData(err):
		answer(t.unanswered, s.server.fault(err))
	default:
		s.writer.failed(t.unanswered, err)
	}
}

// writeIn runs the transaction. After an error nothing is committed, unless the connection
// was lost.
func (s *Store) writeIn(ctx context.Context, t *transaction) (err error) {
	if t.explicit {
		err = s.writer.withReconnect(ctx, func(conn *session) error {
			t.conn = conn
			return t.begin(ctx)
		})
	} else if t.conn, err = s.writer.connection(ctx); err != nil {
		return err
	}
	if err == nil {
		t.decide(func(err error) { s.counters.ReportPanic(err, s.log) })
		err = t.commit(ctx)
	}
	if err != nil {
		t.rollback(ctx)
		return err
	}
	s.writer.worked = time.Now()
	s.rows.added.Add(int64(t.inserted))
	return nil
}

// transaction is the writer's transaction for one batch.
type transaction struct {
	conn       *session
	rows       map[backend.Key]*row
	order      []backend.Key // of the rows, in the order of the decisions
	unanswered []*update     // to be answered after the commit
	explicit   bool          // BEGIN and COMMIT: rows that are there are locked before the decision
	atomic     bool          // an update has several rows: COMMIT only after all statements have succeeded
	inOrder    bool          // an update has several triplets: rows are written in the order of the decisions
	wrote      bool
	inserted   int

	clients        map[string]*greylist.ClientWrite // nil: none
	correspondents map[greylist.Correspondent]*greylist.CorrespondentEntry
	noted          int64 // the latest time of the notes of correspondents
}

// row is a triplet's row in a transaction.
type row struct {
	triplet greylist.Triplet
	there   bool            // it is in the table
	locked  bool            // by this transaction
	entry   *greylist.Entry // after the decisions so far; nil: none
	changed bool
	written bool
}

func newTransaction(batch []*update) *transaction {
	t := &transaction{rows: make(map[backend.Key]*row, len(batch)), unanswered: batch}
	for _, u := range batch {
		for i, k := range u.keys {
			r := t.rows[k]
			if r == nil {
				r = &row{triplet: u.triplets[i]}
				t.rows[k] = r
				t.order = append(t.order, k)
			}
			r.there = r.there || u.found[i] != nil
			t.explicit = t.explicit || r.there || len(u.keys) > 1 || writesLearned(&u.decision)
		}
	}
	return t
}

// begin begins the transaction, and locks the existing rows.
func (t *transaction) begin(ctx context.Context) error {
	entries := make(map[backend.Key]*greylist.Entry)
	for k, r := range t.rows {
		if r.there {
			entries[k] = nil
		}
	}
	b := new(pgx.Batch)
	b.Queue(beginSQL)
	t.conn.queueSettings(b)
	if len(entries) > 0 {
		b.Queue(lockSQL, sorted(entries)).Query(func(rows pgx.Rows) error { return scan(rows, entries) })
	}
	if err := t.conn.send(ctx, b); err != nil {
		return err
	}
	for k, e := range entries {
		t.rows[k].entry, t.rows[k].locked = e, e != nil
	}
	return nil
}

// decide calls the changes of the updates one after the other. It answers an update that
// writes nothing, unless its decision rests on a row that is not committed yet.
func (t *transaction) decide(report func(error)) {
	batch := t.unanswered
	t.unanswered = nil
	for _, u := range batch {
		found := make([]*greylist.Entry, len(u.keys))
		locked, changed := false, false
		for i, k := range u.keys {
			r := t.rows[k]
			found[i] = r.entry
			locked = locked || r.there && !r.locked
			changed = changed || r.changed
		}
		if locked {
			u.done <- errRetry
			continue
		}
		made, err := u.ask(found)
		report(err)
		switch {
		case err != nil:
			u.done <- err
			continue
		case made.WritesNothing() && !changed:
			u.done <- nil
			continue
		case writesLearned(made) && len(u.keys) > 0 && !t.explicit: // the pass may rest on a row of this transaction, and be lost with it
			u.done <- errRetry
			continue
		}
		for i, e := range made.Writes() {
			r := t.rows[u.keys[i]]
			r.entry, r.changed = &e, true
		}
		t.inOrder = t.inOrder || len(u.keys) > 1
		t.atomic = t.atomic || t.inOrder || writesLearned(made) && len(u.keys) > 0
		t.addClient(made.Client)
		t.addCorrespondents(made.Correspondents)
		t.unanswered = append(t.unanswered, u)
	}
}

// writesLearned reports whether a decision writes rows that are not triplets'.
func writesLearned(d *greylist.Decision) bool { return d.Client != nil || d.Correspondents != nil }

// commit writes the changed rows. It does not write a row that another program has
// inserted meanwhile: its updates are retried.
func (t *transaction) commit(ctx context.Context) error {
	inserts, changes := t.columns()
	t.wrote = len(inserts.keys)+len(changes.keys)+len(t.clients)+len(t.correspondents) > 0
	if !t.wrote && !t.explicit {
		return nil
	}
	b := new(pgx.Batch)
	if !t.explicit {
		t.conn.queueSettings(b)
	}
	if len(inserts.keys) > 0 {
		b.Queue(insertSQL, inserts.insert()...).Query(func(rows pgx.Rows) error {
			var k []byte
			_, err := pgx.ForEachRow(rows, []any{&k}, func() error {
				t.rows[backend.Key(k)].written = true
				t.inserted++
				return nil
			})
			return err
		})
	}
	if len(changes.keys) > 0 {
		b.Queue(changeSQL, changes.change()...)
	}
	t.queueClients(b)
	t.queueCorrespondents(b)
	if t.explicit && !t.atomic {
		b.Queue(`COMMIT`)
	}
	if err := t.conn.send(ctx, b); err != nil {
		return err
	}
	missing := t.inserted < len(inserts.keys)
	if t.atomic {
		if missing {
			return errInserted
		}
		if _, err := t.conn.Exec(ctx, `COMMIT`); err != nil {
			return err
		}
	}
	if missing {
		t.retryMissing()
	}
	return nil
}

// retryMissing answers errRetry to the updates whose row another program has inserted.
// Each has one triplet or none: a transaction with others is atomic.
func (t *transaction) retryMissing() {
	written := t.unanswered[:0]
	for _, u := range t.unanswered {
		if len(u.keys) > 0 {
			if r := t.rows[u.keys[0]]; r.changed && !r.there && !r.written {
				u.done <- errRetry
				continue
			}
		}
		written = append(written, u)
	}
	t.unanswered = written
}

// rollback rolls back, so that the connection can be used again, or closes it: a write that
// follows must not become a part of this transaction. The context may have ended.
func (t *transaction) rollback(ctx context.Context) {
	if t.conn == nil || t.conn.IsClosed() || t.conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := t.conn.Exec(ctx, `ROLLBACK`); err != nil {
		closeSoon(t.conn.Conn)
	}
}
