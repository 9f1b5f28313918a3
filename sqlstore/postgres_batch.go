package sqlstore

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"greyglass/greylist"
)

// A batch is decided in at most two round trips, without holding a lock in
// between. The first reads what is remembered of its triplets; those who are to
// write nothing are answered from that. The second is one transaction, in which a
// row is inserted only if there is still none, and changed only if it is still as
// it was read; whoever was too late is decided about anew.
//
// So no update is lost, whoever else writes; and nobody ever waits in a circle:
// who waits is still inserting, in the order of the keys, for somebody who has
// inserted a key that comes later than all that it has itself, or who changes
// rows, which nobody waits to do.
const (
	readSQL = `SELECT key, ` + entryColumns + ` FROM triplet WHERE key = ANY ($1::bytea[])`

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

// errTooLate is not known to happen.
var errTooLate = errors.New("sqlstore: others change the same triplet all the time")

// group is all that a batch wants of one triplet.
type group struct {
	key       key
	decisions []*decision // in the order in which they came
	was       *greylist.Entry
	now       greylist.Entry
}

// grouped puts the decisions on the same triplet together. Groups are in the order
// of their keys.
func grouped(batch []*decision) []*group {
	byKey := make(map[key]*group, len(batch))
	groups := make([]*group, 0, len(batch))
	for _, d := range batch {
		g := byKey[d.key]
		if g == nil {
			g = &group{key: d.key}
			byKey[d.key] = g
			groups = append(groups, g)
		}
		g.decisions = append(g.decisions, d)
	}
	slices.SortFunc(groups, func(a, b *group) int { return bytes.Compare(a.key[:], b.key[:]) })
	return groups
}

// answer gives all of the groups the same answer.
func answer(groups []*group, err error) {
	for _, g := range groups {
		for _, d := range g.decisions {
			d.done <- err
		}
	}
}

// read finds out what is remembered. A connection that turns out to be dead, as
// after a restart of the server, is replaced once.
func (w *worker) read(ctx context.Context, groups []*group) error {
	old := w.conn
	err := w.readOnce(ctx, groups)
	if err != nil && old != nil && ctx.Err() == nil && old.IsClosed() {
		err = w.readOnce(ctx, groups)
	}
	return err
}

func (w *worker) readOnce(ctx context.Context, groups []*group) error {
	conn, err := w.connection(ctx)
	if err != nil {
		return err
	}
	keys := make([][]byte, len(groups))
	for i, g := range groups {
		keys[i] = g.key[:]
		g.was = nil
	}
	rows, err := conn.Query(ctx, readSQL, keys)
	if err != nil {
		return err
	}
	var k []byte
	var e greylist.Entry
	_, err = pgx.ForEachRow(rows, append([]any{&k}, entryFields(&e)...), func() error {
		i, ok := slices.BinarySearchFunc(groups, k, func(g *group, k []byte) int { return bytes.Compare(g.key[:], k) })
		if ok {
			was := e
			groups[i].was = &was
		}
		return nil
	})
	return err
}

// decide asks the callers. Those whose answer needs nothing to be written have
// it then; groups with something to write are returned.
func (w *worker) decide(groups []*group) (writing []*group) {
	for _, g := range groups {
		remembered, writes := g.was, false
		waiting := g.decisions[:0]
		for _, d := range g.decisions {
			remember, write, err := d.ask(remembered)
			w.store.tally.report(err, w.store.log)
			switch {
			case err != nil:
				d.done <- err
				continue
			case write:
				g.now, remembered, writes = remember, &remember, true
			case !writes:
				d.done <- nil
				continue
			}
			waiting = append(waiting, d)
		}
		g.decisions = waiting
		if writes {
			writing = append(writing, g)
		}
	}
	return writing
}

// write commits what was decided, and returns those to whom somebody else was in
// the way.
func (w *worker) write(ctx context.Context, groups []*group) (again []*decision) {
	began := time.Now()
	written, err := w.commit(ctx, groups)
	if err == nil {
		w.store.tally.done(len(groups), true, time.Since(began))
	}
	switch {
	case err == nil, isConflict(err):
		for _, g := range groups {
			if err == nil && written[g.key] {
				answer([]*group{g}, nil)
				continue
			}
			for _, d := range g.decisions {
				if d.late++; d.late > maxLate {
					d.done <- errTooLate
					continue
				}
				again = append(again, d)
			}
		}
	case w.conn.IsClosed(): // so that it may be committed, or not
		w.fail(groups, err, false)
	case !isAboutData(err):
		w.fail(groups, err, true)
	case len(groups) == 1:
		answer(groups, w.store.server.fault(err))
	default: // one of them is to blame, and is to harm no other
		for i := range groups {
			again = append(again, w.write(ctx, groups[i:i+1])...)
			if w.store.link.away.Load() != nil {
				answer(groups[i+1:], w.store.server.fault(err))
				break
			}
		}
	}
	return again
}

// commit writes in one transaction, which is all that is sent before the next
// Sync (PostgreSQL's manual, section 55.2.4), and returns what was written.
func (w *worker) commit(ctx context.Context, groups []*group) (map[key]bool, error) {
	written := make(map[key]bool, len(groups))
	note := func(rows pgx.Rows) error {
		var k []byte
		_, err := pgx.ForEachRow(rows, []any{&k}, func() error {
			written[key(k)] = true
			return nil
		})
		return err
	}
	added := 0
	var b pgx.Batch
	var inserted, changed columns
	for _, g := range groups {
		if g.was == nil {
			inserted.add(g)
		} else {
			changed.add(g)
		}
	}
	if len(inserted.keys) > 0 {
		t := &inserted
		b.Queue(insertSQL, t.keys, t.clients, t.senders, t.recipients,
			t.now[0], t.now[1], t.now[2], t.now[3], t.now[4]).Query(func(rows pgx.Rows) error {
			err := note(rows)
			added = len(written)
			return err
		})
	}
	if len(changed.keys) > 0 {
		t := &changed
		b.Queue(changeSQL, t.keys, t.now[0], t.now[1], t.now[2], t.now[3], t.now[4],
			t.was[0], t.was[1], t.was[2], t.was[3], t.was[4]).Query(note)
	}
	if err := w.conn.SendBatch(ctx, &b).Close(); err != nil {
		return nil, err
	}
	w.store.counter.rows.Add(int64(added))
	return written, nil
}

// columns are groups as the statements take them: an array a column.
type columns struct {
	keys                         [][]byte
	clients, senders, recipients []string
	now, was                     [5][]int64
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
