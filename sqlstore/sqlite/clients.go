package sqlite

import (
	"context"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

const (
	addClientSQL = `INSERT INTO client (client, ` + backend.ClientColumns + `) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`

	setClientSQL = `UPDATE client SET first_passed = $2, counted_at = $3, passed = $4, last_seen = $5
		WHERE client = $1 AND first_passed = $6 AND counted_at = $7 AND passed = $8 AND last_seen = $9`
)

// writeClient writes the row of a client, unless that has changed. There may be none to
// write.
func (tx *tx) writeClient(w *greylist.ClientWrite) (err error) {
	if w == nil {
		return nil
	}
	tx.ClientsChange(w.Client)
	switch {
	case w.Before == nil:
		a := w.After
		_, err = tx.Change(addClientSQL, w.Client, a.FirstPassed, a.CountedAt, a.Passed, a.LastSeen)
	default:
		b, a := w.Before, w.After
		_, err = tx.Change(setClientSQL, w.Client, a.FirstPassed, a.CountedAt, a.Passed, a.LastSeen,
			b.FirstPassed, b.CountedAt, b.Passed, b.LastSeen)
	}
	return err
}

// Client implements [greylist.Memory].
func (s *Store) Client(ctx context.Context, client string) (*greylist.ClientEntry, error) {
	if s.writer.current.Load().err == nil && ctx.Err() == nil && !s.closed() {
		if e, known := s.writer.cache.findClient(client); known {
			return e, nil
		}
	}
	at := s.writer.cache.stamp()
	e := new(greylist.ClientEntry)
	found, err := s.row(ctx, backend.ClientSQL, backend.ClientFields(e), client)
	if err != nil {
		return nil, err
	}
	if !found {
		e = nil
	}
	s.writer.cache.putClient(client, e, at)
	return e, nil
}
