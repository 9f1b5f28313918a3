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

// read reads the rows of a batch, without locks, and answers: to an update that writes
// nothing its decision, to any other errNeedsWrite.
func (s *Store) read(ctx context.Context, batch []*update) {
	entries := make(map[backend.Key]*greylist.Entry, len(batch))
	others := newRowsRead()
	for _, u := range batch {
		for _, k := range u.keys {
			entries[k] = nil
		}
		if u.want != nil {
			u.want(others)
		}
	}
	err := s.reader.withReconnect(ctx, func(conn *session) error {
		b := conn.pipeline()
		if len(entries) > 0 {
			b.Queue(readSQL, sorted(entries)).Query(func(rows pgx.Rows) error { return scan(rows, entries) })
		}
		others.queue(b)
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
	for _, u := range batch {
		if u.take != nil {
			answered++
			u.take(others)
			u.done <- nil
			continue
		}
		u.found = make([]*greylist.Entry, len(u.keys))
		for i, k := range u.keys {
			u.found[i] = entries[k]
		}
		made, err := u.ask(u.found)
		s.counters.ReportPanic(err, s.log)
		switch {
		case err != nil:
			u.done <- err
		case !made.WritesNothing():
			u.done <- errNeedsWrite
		default:
			answered++
			u.done <- nil
		}
	}
	if answered > 0 {
		s.counters.Done(answered, false, 0)
	}
}

// rowsRead are the rows that are not triplets' which the look-ups of a batch want; nil:
// not found.
type rowsRead struct {
	clients        map[string]*greylist.ClientEntry
	correspondents map[greylist.Correspondent]*greylist.CorrespondentEntry
}

func newRowsRead() *rowsRead {
	return &rowsRead{make(map[string]*greylist.ClientEntry), make(map[greylist.Correspondent]*greylist.CorrespondentEntry)}
}

// queue adds the statements that read the rows.
func (r *rowsRead) queue(b *pgx.Batch) {
	if len(r.clients) > 0 {
		b.Queue(clientsSQL, slices.Sorted(maps.Keys(r.clients))).Query(func(rows pgx.Rows) error { return scanClients(rows, r.clients) })
	}
	if len(r.correspondents) > 0 {
		locals, remotes := columnsOf(r.correspondents)
		b.Queue(correspondentsSQL, locals, remotes).Query(func(rows pgx.Rows) error { return scanCorrespondents(rows, r.correspondents) })
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
