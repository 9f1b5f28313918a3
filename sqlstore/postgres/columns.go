package postgres

import (
	"bytes"
	"slices"

	"greyglass/sqlstore/backend"
)

// columns are rows as parameters of a statement: one array for each column.
type columns struct {
	keys                         [][]byte
	clients, senders, recipients []string
	entries                      [6][]int64
}

// columns returns the rows to insert and those to update, sorted by key, or in the
// order of the decisions.
func (t *transaction) columns() (inserts, changes columns) {
	if !t.inOrder {
		slices.SortFunc(t.order, func(a, b backend.Key) int { return bytes.Compare(a[:], b[:]) })
	}
	for _, k := range t.order {
		switch r := t.rows[k]; {
		case r.changed && r.there:
			changes.add(k, r)
		case r.changed:
			inserts.add(k, r)
		}
	}
	return inserts, changes
}

func (c *columns) add(k backend.Key, r *row) {
	c.keys = append(c.keys, k[:])
	c.clients = append(c.clients, r.triplet.Client)
	c.senders = append(c.senders, r.triplet.Sender)
	c.recipients = append(c.recipients, r.triplet.Recipient)
	e := r.entry
	for i, v := range [...]int64{e.FirstSeen, e.LastSeen, e.PassedAt, e.Deferred, e.Accepted, e.FirstAttempt} {
		c.entries[i] = append(c.entries[i], v)
	}
}

// insert returns the parameters of insertSQL.
func (c *columns) insert() []any {
	e := &c.entries
	return []any{c.keys, c.clients, c.senders, c.recipients, e[0], e[1], e[2], e[3], e[4], e[5]}
}

// change returns the parameters of changeSQL.
func (c *columns) change() []any {
	e := &c.entries
	return []any{c.keys, e[0], e[1], e[2], e[3], e[4], e[5]}
}
