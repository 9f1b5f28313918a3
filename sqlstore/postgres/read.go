package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// Get implements [greylist.Memory].
func (s *Store) Get(ctx context.Context, t greylist.Triplet) (*greylist.Entry, error) {
	db, err := s.readers()
	if err != nil {
		return nil, err
	}
	e, err := backend.Get(ctx, db, t)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return e, nil
}

// List implements [greylist.Store].
func (s *Store) List(ctx context.Context, f greylist.Filter) iter.Seq2[greylist.Record, error] {
	return backend.List(ctx, f, s.readers, s.failed)
}

// Stats implements [greylist.Store]. It reads the whole table.
func (s *Store) Stats(ctx context.Context) (greylist.Stats, error) {
	db, err := s.readers()
	if err != nil {
		return greylist.Stats{}, err
	}
	st, err := backend.Stats(ctx, db)
	if err == nil {
		err = db.QueryRowContext(ctx, `SELECT pg_total_relation_size('triplet')`).Scan(&st.Bytes)
	}
	if err != nil {
		return greylist.Stats{}, s.failed(ctx, err)
	}
	return st, nil
}

// Forget implements [greylist.Store].
func (s *Store) Forget(ctx context.Context, t greylist.Triplet) (bool, error) {
	db, err := s.readers()
	if err != nil {
		return false, err
	}
	k := backend.KeyOf(t)
	result, err := db.ExecContext(ctx, backend.RemoveSQL, k[:])
	if err != nil {
		return false, s.failed(ctx, err)
	}
	n, err := result.RowsAffected()
	s.counter.rows.Add(-n)
	return n > 0, err
}

// Ping implements [greylist.Memory], on a connection that nobody else uses.
func (s *Store) Ping(ctx context.Context) error {
	if s.closed() {
		return greylist.ErrClosed
	}
	if away := s.link.away.Load(); away != nil {
		return away.fault
	}
	if err := s.probe(ctx); err != nil {
		return s.failed(ctx, err)
	}
	return nil
}

// expireSQL looks at a batch of rows behind an id, and removes those of
// which [greylist.Cutoffs.Expired] says so, unless somebody is changing them. It
// returns what [expireBatchSQL] does, and how many it has removed.
const expireSQL = `WITH batch AS (SELECT id FROM triplet WHERE id > $1 ORDER BY id LIMIT $2),
	old AS MATERIALIZED (SELECT id FROM triplet WHERE id IN (SELECT id FROM batch) AND
		CASE WHEN passed_at IS NULL THEN first_seen < $3 ELSE passed_at < $4 END
		ORDER BY id FOR UPDATE SKIP LOCKED),
	gone AS (DELETE FROM triplet WHERE id IN (SELECT id FROM old) RETURNING 1)
	SELECT count(*), coalesce(max(id), 0), (SELECT count(*) FROM gone) FROM batch`

// Expire implements [greylist.Store]. All daemons do it; what one has removed the
// others do not find.
func (s *Store) Expire(ctx context.Context, c greylist.Cutoffs, cursor int64) (removed int, next int64, err error) {
	db, err := s.readers()
	if err != nil {
		return 0, cursor, err
	}
	var rows int64
	err = db.QueryRowContext(ctx, expireSQL, cursor, backend.ExpireBatch, c.WaitingBefore, c.PassedBefore).Scan(&rows, &next, &removed)
	if err != nil {
		return 0, cursor, s.failed(ctx, err)
	}
	s.counter.rows.Add(-int64(removed))
	if rows < backend.ExpireBatch {
		next = 0
	}
	return removed, next, nil
}

// Backup implements [greylist.Store]: PostgreSQL has better means.
func (s *Store) Backup(context.Context, string, func(done, total int64)) error {
	if s.closed() {
		return greylist.ErrClosed
	}
	host := s.server.hosts[s.server.last.Load()]
	return fmt.Errorf("%w: a PostgreSQL database is backed up by its own means, such as: pg_dump --format=custom --file=FILE --host=%s --port=%d --username=%s %s",
		backend.ErrUnsupported, host.Host, host.Port, host.User, host.Database)
}

// failed is the error of a method whose statement failed with err.
func (s *Store) failed(ctx context.Context, err error) error {
	if s.closed() {
		return greylist.ErrClosed
	}
	if ended := ctx.Err(); errors.Is(ended, context.Canceled) {
		return ended
	}
	fault := s.server.fault(err)
	if isReadOnly(err) { // and stays so, on this connection
		s.link.refused(fault)
	}
	return fault
}
