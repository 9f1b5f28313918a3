package postgres

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"greyglass/sqlstore/backend"
)

// searchLock is the advisory lock for storing a block: "glassrch" as a number.
const searchLock = 0x676c617373726368

// settleTime is for how long a row's id has been taken, at least, before the row is in a
// block: until then a row with a lesser id may be committed. An id is taken before its
// transaction has a number, which settle cannot see; lockTimeout bounds what lies between.
var settleTime = 10 * time.Second // tests make it shorter

// preparer remembers which rows have settled, too.
type preparer struct {
	backend.Preparer
	mu      sync.Mutex
	settled int64 // all rows up to this id are committed, or never will be

	greatest, horizon int64 // the greatest id when it was read, and a transaction number above all that ran then
	at                time.Time
	epoch             int64 // of the server that said so
}

// snapshotSQL takes a transaction number of its own, which is greater than those of all
// that run: a snapshot's xmax need not be.
const snapshotSQL = `SELECT coalesce(max(id), 0), txid_snapshot_xmin(txid_current_snapshot()), txid_current() FROM triplet`

// settle finds out which rows have settled: those up to the greatest id that was read before,
// once all transactions that ran then have ended.
func (p *preparer) settle(ctx context.Context, db *sql.DB, epoch int64) error {
	if epoch != p.epoch {
		p.settled, p.greatest, p.horizon, p.at, p.epoch = 0, 0, 0, time.Time{}, epoch
	}
	if time.Since(p.at) < settleTime {
		return nil
	}
	var greatest, oldest, next int64
	if err := db.QueryRowContext(ctx, snapshotSQL).Scan(&greatest, &oldest, &next); err != nil {
		return err
	}
	if next <= p.horizon || greatest < p.greatest { // another server, or rows were removed: begin again
		p.settled, p.greatest, p.horizon = 0, 0, 0
	}
	if oldest < p.horizon {
		return nil // one of those transactions still runs
	}
	p.settled, p.greatest, p.horizon, p.at = p.greatest, greatest, next, time.Now()
	return nil
}

// PrepareSearch implements [greylist.Searchable].
func (s *Store) PrepareSearch(ctx context.Context) (more bool, err error) {
	p := &s.preparer
	p.mu.Lock()
	defer p.mu.Unlock()
	var b *backend.Block
	epoch := s.epoch.Load()
	err = s.Read(ctx, func(db *sql.DB) (err error) {
		if err := p.settle(ctx, db, epoch); err != nil {
			return err
		}
		b, more, err = p.Next(ctx, db, p.settled)
		return err
	})
	if err != nil || b == nil {
		return more && err == nil, err
	}
	_, err = s.Change(ctx, func(tx backend.Transaction) (int64, error) {
		var alone int64 // 0: another daemon is just storing it
		if _, err := tx.First(`SELECT pg_try_advisory_xact_lock($1)::int`, []*int64{&alone}, int64(searchLock)); err != nil || alone == 0 {
			return 0, err
		}
		return 0, b.Store(tx)
	})
	return more, err
}
