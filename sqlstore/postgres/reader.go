package postgres

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

const readSQL = `SELECT key, ` + backend.EntryColumns + ` FROM triplet WHERE key = ANY ($1::bytea[])`

// read answers the decisions that have nothing to write, without locks.
func (s *Store) read(ctx context.Context, batch []*update) {
	entries := make(map[backend.Key]*greylist.Entry, len(batch))
	clients := make(map[string]*greylist.ClientEntry)
	for _, d := range batch {
		for _, k := range d.keys {
			entries[k] = nil
		}
		if d.lookUp {
			clients[d.client] = nil
		}
	}
	err := s.reader.retrying(ctx, func(conn *session) error {
		b := conn.pipeline()
		if len(entries) > 0 {
			b.Queue(readSQL, sorted(entries)).Query(func(rows pgx.Rows) error { return scan(rows, entries) })
		}
		if len(clients) > 0 {
			b.Queue(clientsSQL, slices.Sorted(maps.Keys(clients))).Query(func(rows pgx.Rows) error { return scanClients(rows, clients) })
		}
		return conn.send(ctx, b)
	})
	s.reader.Ended()
	switch {
	case isConflict(err):
		answer(batch, errRetry)
		return
	case err != nil:
		s.reader.failed(batch, err)
		return
	}
	s.reads.succeeded()
	answered := 0
	for _, d := range batch {
		if d.lookUp {
			answered++
			d.entry = clients[d.client]
			d.done <- nil
			continue
		}
		d.found = make([]*greylist.Entry, len(d.keys))
		for i, k := range d.keys {
			d.found[i] = entries[k]
		}
		made, err := d.ask(d.found)
		s.counters.ReportPanic(err, s.log)
		switch {
		case err != nil:
			d.done <- err
		case !made.WritesNothing():
			d.done <- errNeedsWrite
		default:
			answered++
			d.done <- nil
		}
	}
	if answered > 0 {
		s.counters.Done(answered, false, 0)
	}
}

// sorted returns the keys in their order, as a parameter of a statement.
func sorted[V any](byKey map[backend.Key]V) [][]byte {
	keys := make([][]byte, 0, len(byKey))
	for k := range maps.Keys(byKey) {
		keys = append(keys, slices.Clone(k[:]))
	}
	slices.SortFunc(keys, bytes.Compare)
	return keys
}

// scan notes the rows of readSQL.
func scan(rows pgx.Rows, entries map[backend.Key]*greylist.Entry) error {
	var k []byte
	var e greylist.Entry
	_, err := pgx.ForEachRow(rows, append([]any{&k}, backend.EntryFields(&e)...), func() error {
		if len(k) == len(backend.Key{}) {
			found := e
			entries[backend.Key(k)] = &found
		}
		return nil
	})
	return err
}
