package postgres

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

const (
	clientsSQL = `SELECT client, ` + backend.ClientColumns + ` FROM client WHERE client = ANY ($1::text[])`

	addClientsSQL = `INSERT INTO client (client, ` + backend.ClientColumns + `)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) ON CONFLICT DO NOTHING`

	// setClientsSQL writes the rows that have not changed. It skips rows that others have
	// locked: another daemon is just counting.
	setClientsSQL = `UPDATE client SET first_passed = n.first_passed, counted_at = n.counted_at, passed = n.passed, last_seen = n.last_seen
		FROM (SELECT n.* FROM client c JOIN unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
				$6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
				AS n (client, first_passed, counted_at, passed, last_seen, was_first_passed, was_counted_at, was_passed, was_seen)
			ON c.client = n.client COLLATE "C" AND c.first_passed = n.was_first_passed AND c.counted_at = n.was_counted_at
				AND c.passed = n.was_passed AND c.last_seen = n.was_seen
			ORDER BY c.client FOR UPDATE OF c SKIP LOCKED) AS n
		WHERE client.client = n.client COLLATE "C"`
)

// scanClients notes the rows of clientsSQL.
func scanClients(rows pgx.Rows, clients map[string]*greylist.ClientEntry) error {
	var client string
	var e greylist.ClientEntry
	fields := []any{&client}
	for _, field := range backend.ClientFields(&e) {
		fields = append(fields, field)
	}
	_, err := pgx.ForEachRow(rows, fields, func() error {
		found := e
		clients[client] = &found
		return nil
	})
	return err
}

// addClient adds the row of a client to the transaction, unless one of the same client was
// added, with which the rest of this one's entry has changed. There may be none.
func (t *transaction) addClient(w *greylist.ClientWrite) {
	if w == nil || t.clients[w.Client] != nil {
		return
	}
	if t.clients == nil {
		t.clients = make(map[string]*greylist.ClientWrite)
	}
	t.clients[w.Client] = w
}

// queueClients adds the statements that write clients, in the order of their names, so
// that there are no deadlocks.
func (t *transaction) queueClients(b *pgx.Batch) {
	var adds, sets clientColumns
	for _, client := range slices.Sorted(maps.Keys(t.clients)) {
		if w := t.clients[client]; w.Before == nil {
			adds.add(client, w.After)
		} else {
			sets.add(client, w.After, *w.Before)
		}
	}
	if len(adds.clients) > 0 {
		b.Queue(addClientsSQL, adds.parameters()...)
	}
	if len(sets.clients) > 0 {
		b.Queue(setClientsSQL, sets.parameters()...)
	}
}

// clientColumns are rows as parameters of a statement: one array for each column.
type clientColumns struct {
	clients []string
	values  [][]int64
}

func (c *clientColumns) add(client string, entries ...greylist.ClientEntry) {
	c.clients = append(c.clients, client)
	column := 0
	for _, e := range entries {
		for _, value := range backend.ClientFields(&e) {
			if column == len(c.values) {
				c.values = append(c.values, nil)
			}
			c.values[column] = append(c.values[column], *value)
			column++
		}
	}
}

func (c *clientColumns) parameters() []any {
	all := []any{c.clients}
	for _, column := range c.values {
		all = append(all, column)
	}
	return all
}

// Client implements [greylist.Memory].
func (s *Store) Client(ctx context.Context, client string) (*greylist.ClientEntry, error) {
	var found *greylist.ClientEntry
	err := s.runUpdate(&update{ctx: ctx,
		want: func(r *rowsRead) { r.clients[client] = nil },
		take: func(r *rowsRead) { found = r.clients[client] }})
	if err != nil {
		return nil, err
	}
	return found, nil
}
