package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

const (
	readSQL = `SELECT key, ` + backend.EntryColumns + ` FROM triplet WHERE key = ANY ($1::bytea[])`

	insertSQL = `INSERT INTO triplet (key, client, sender, recipient, first_seen, last_seen, passed_at, deferred, accepted)
		SELECT key, client, sender, recipient, first_seen, last_seen, nullif(passed_at, 0), deferred, accepted
		FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
			AS new (key, client, sender, recipient, first_seen, last_seen, passed_at, deferred, accepted)
		ORDER BY key ON CONFLICT (key) DO NOTHING RETURNING key`

	changeSQL = `WITH mine AS MATERIALIZED (
			SELECT t.id, n.first_seen, n.last_seen, n.passed_at, n.deferred, n.accepted
			FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
					$7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[])
				AS n (key, first_seen, last_seen, passed_at, deferred, accepted,
					old_first_seen, old_last_seen, old_passed_at, old_deferred, old_accepted)
			JOIN triplet t ON t.key = n.key AND t.first_seen = n.old_first_seen AND t.last_seen = n.old_last_seen
				AND coalesce(t.passed_at, 0) = n.old_passed_at AND t.deferred = n.old_deferred AND t.accepted = n.old_accepted
			FOR UPDATE OF t SKIP LOCKED)
		UPDATE triplet SET first_seen = mine.first_seen, last_seen = mine.last_seen, passed_at = nullif(mine.passed_at, 0),
			deferred = mine.deferred, accepted = mine.accepted
		FROM mine WHERE triplet.id = mine.id RETURNING key`
)

// trip is what the server is asked in one round trip, in this order: one
// transaction, which is all that is sent before the next Sync (PostgreSQL's manual,
// section 55.2.4). Groups are in the order of their keys.
type trip struct {
	inserts, changes, looks []*group
}

// write adds a group that has something to be written.
func (t *trip) write(g *group) {
	if g.was == nil {
		t.inserts = append(t.inserts, g)
	} else {
		t.changes = append(t.changes, g)
	}
}

func (t *trip) empty() bool { return len(t.inserts)+len(t.changes)+len(t.looks) == 0 }

// send asks the server, and notes in the groups what was written and what was
// seen. A connection that turns out to be dead, as after a restart of the server, is
// replaced once, unless something was to be written.
func (w *worker) send(ctx context.Context, t *trip) error {
	old := w.conn
	err := w.sendOnce(ctx, t)
	if err != nil && len(t.inserts)+len(t.changes) == 0 && old != nil && ctx.Err() == nil && old.IsClosed() {
		err = w.sendOnce(ctx, t)
	}
	return err
}

func (w *worker) sendOnce(ctx context.Context, t *trip) error {
	conn, err := w.connection(ctx)
	if err != nil {
		return err
	}
	var b pgx.Batch
	added := 0
	if len(t.inserts) > 0 {
		c := columnsOf(t.inserts)
		b.Queue(insertSQL, c.keys, c.clients, c.senders, c.recipients,
			c.now[0], c.now[1], c.now[2], c.now[3], c.now[4]).Query(func(rows pgx.Rows) (err error) {
			added, err = noteWritten(rows, t.inserts)
			return err
		})
	}
	if len(t.changes) > 0 {
		c := columnsOf(t.changes)
		b.Queue(changeSQL, c.keys, c.now[0], c.now[1], c.now[2], c.now[3], c.now[4],
			c.was[0], c.was[1], c.was[2], c.was[3], c.was[4]).Query(func(rows pgx.Rows) error {
			_, err := noteWritten(rows, t.changes)
			return err
		})
	}
	if len(t.looks) > 0 {
		keys := make([][]byte, len(t.looks))
		for i, g := range t.looks {
			keys[i] = g.key[:]
			g.was = nil
		}
		b.Queue(readSQL, keys).Query(func(rows pgx.Rows) error { return noteSeen(rows, t.looks) })
	}
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	w.store.counter.rows.Add(int64(added))
	return nil
}

func noteWritten(rows pgx.Rows, groups []*group) (n int, err error) {
	for _, g := range groups {
		g.written = false // which it may have been in a transaction that failed
	}
	var k []byte
	_, err = pgx.ForEachRow(rows, []any{&k}, func() error {
		if g := find(groups, k); g != nil {
			g.written = true
			n++
		}
		return nil
	})
	return n, err
}

func noteSeen(rows pgx.Rows, groups []*group) error {
	var k []byte
	var e greylist.Entry
	_, err := pgx.ForEachRow(rows, append([]any{&k}, backend.EntryFields(&e)...), func() error {
		if g := find(groups, k); g != nil {
			was := e
			g.was = &was
		}
		return nil
	})
	return err
}

// columns are groups as the statements take them: an array a column.
type columns struct {
	keys                         [][]byte
	clients, senders, recipients []string
	now, was                     [5][]int64
}

func columnsOf(groups []*group) *columns {
	var c columns
	for _, g := range groups {
		c.add(g)
	}
	return &c
}

func (c *columns) add(g *group) {
	c.keys = append(c.keys, g.key[:])
	addEntry(&c.now, &g.now)
	if g.was != nil {
		addEntry(&c.was, g.was)
		return
	}
	t := g.decisions[0].triplet
	c.clients = append(c.clients, t.Client)
	c.senders = append(c.senders, t.Sender)
	c.recipients = append(c.recipients, t.Recipient)
}

func addEntry(columns *[5][]int64, e *greylist.Entry) {
	for i, v := range [...]int64{e.FirstSeen, e.LastSeen, e.PassedAt, e.Deferred, e.Accepted} {
		columns[i] = append(columns[i], v)
	}
}
