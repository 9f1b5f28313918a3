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

	// lockSQL passes by the rows that others hold: they are in nobody's way but of
	// those who want these.
	lockSQL = readSQL + ` ORDER BY key FOR UPDATE SKIP LOCKED`

	insertSQL = `INSERT INTO triplet (key, client, sender, recipient, first_seen, last_seen, passed_at, deferred, accepted)
		SELECT key, client, sender, recipient, first_seen, last_seen, nullif(passed_at, 0), deferred, accepted
		FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
			AS new (key, client, sender, recipient, first_seen, last_seen, passed_at, deferred, accepted)
		ON CONFLICT (key) DO NOTHING RETURNING key`

	changeSQL = `UPDATE triplet SET first_seen = n.first_seen, last_seen = n.last_seen, passed_at = nullif(n.passed_at, 0),
			deferred = n.deferred, accepted = n.accepted
		FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
			AS n (key, first_seen, last_seen, passed_at, deferred, accepted)
		WHERE triplet.key = n.key`
)

// errInserted rolls back a transaction that must write all or nothing.
var errInserted = errors.New("another program has inserted a row")

// idleTrust is for how long a connection that has just worked is trusted with a write
// that nothing precedes: what is lost with a connection may be committed, or not.
const idleTrust = time.Second

// write decides about a batch in one transaction, and commits it. Locks of rows are not
// waited for, and every daemon inserts new rows in the order of their keys, so that there
// are no deadlocks. A decision about several triplets keeps their order instead: if that
// makes a deadlock, PostgreSQL ends one of the transactions, which is then tried again.
func (s *Store) write(ctx context.Context, batch []*decision) {
	began := time.Now()
	t := newTransaction(s.writer.conn, batch)
	t.explicit = t.explicit || time.Since(s.writer.worked) > idleTrust
	err := s.writeIn(ctx, t)
	s.writer.Ended()
	switch {
	case err == nil:
		if t.wrote {
			s.writes.succeeded()
			s.counters.Done(len(t.resting), true, time.Since(began))
		}
		answer(t.resting, nil)
	case isConflict(err):
		answer(t.resting, errRetry)
	case isAboutData(err) && len(t.resting) > 1: // one of them is to blame, and is to harm no other
		for i, d := range t.resting {
			if f := s.writes.fault(); f != nil {
				answer(t.resting[i:], f)
				return
			}
			s.write(ctx, []*decision{d})
		}
	case isAboutData(err):
		answer(t.resting, s.server.fault(err))
	default:
		s.writer.failed(t.resting, err)
	}
}

// writeIn runs the transaction. After an error nothing is committed, unless the
// connection was lost.
func (s *Store) writeIn(ctx context.Context, t *transaction) (err error) {
	if t.explicit {
		err = s.writer.retrying(ctx, func(conn *session) error {
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

// transaction is the writer's, for one batch.
type transaction struct {
	conn     *session
	rows     map[backend.Key]*row
	order    []backend.Key // of the rows, as they came
	resting  []*decision   // to be answered once it is committed
	explicit bool          // it takes more than one round trip, and so begins and ends by statements of its own
	atomic   bool          // a decision writes more than one row, so that all or nothing must be written
	wrote    bool
	inserted int
}

// row is a triplet's row in a transaction.
type row struct {
	triplet greylist.Triplet
	there   bool            // it is in the table
	locked  bool            // by this transaction
	entry   *greylist.Entry // as the decisions so far leave it; nil: nothing
	changed bool
	written bool
}

func newTransaction(conn *session, batch []*decision) *transaction {
	t := &transaction{conn: conn, rows: make(map[backend.Key]*row, len(batch)), resting: batch}
	for _, d := range batch {
		for i, k := range d.keys {
			r := t.rows[k]
			if r == nil {
				r = &row{triplet: d.triplets[i]}
				t.rows[k] = r
				t.order = append(t.order, k)
			}
			r.there = r.there || d.found[i] != nil
			t.explicit = t.explicit || r.there || len(d.keys) > 1
		}
	}
	return t
}

// begin begins it, and locks the rows that are there.
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

// decide asks the decisions, one after the other, what they make of the rows. Those
// that rest on nothing that is still to be committed are answered.
func (t *transaction) decide(report func(error)) {
	batch := t.resting
	t.resting = nil
	for _, d := range batch {
		found := make([]*greylist.Entry, len(d.keys))
		locked, changed := false, false
		for i, k := range d.keys {
			r := t.rows[k]
			found[i] = r.entry
			locked = locked || r.there && !r.locked
			changed = changed || r.changed
		}
		if locked {
			d.done <- errRetry
			continue
		}
		made, err := d.ask(found)
		report(err)
		switch {
		case err != nil:
			d.done <- err
			continue
		case !writes(made) && !changed:
			d.done <- nil
			continue
		}
		for i, e := range made.Writes() {
			r := t.rows[d.keys[i]]
			r.entry, r.changed = &e, true
		}
		t.atomic = t.atomic || len(d.keys) > 1
		t.resting = append(t.resting, d)
	}
}

// commit writes the rows that were changed. A row that another program has inserted meanwhile
// is not written: the decisions that rest on it are to be tried again.
func (t *transaction) commit(ctx context.Context) error {
	inserts, changes := t.columns()
	t.wrote = len(inserts.keys)+len(changes.keys) > 0
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

// retryMissing answers the decisions whose row another program has inserted.
func (t *transaction) retryMissing() {
	written := t.resting[:0]
	for _, d := range t.resting {
		if r := t.rows[d.keys[0]]; r.changed && !r.there && !r.written {
			d.done <- errRetry
			continue
		}
		written = append(written, d)
	}
	t.resting = written
}

// rollback ends a transaction that has failed, so that the connection can be used again.
func (t *transaction) rollback(ctx context.Context) {
	if t.conn == nil || t.conn.IsClosed() || t.conn.PgConn().TxStatus() == 'I' {
		return
	}
	_, _ = t.conn.Exec(ctx, `ROLLBACK`) // if it fails, the connection is closed
}
