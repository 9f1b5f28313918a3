package sqlite

import (
	"context"
	"errors"
	"sync"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// lookup is a connection on which triplets are looked up beside the writer: one that is
// known and needs no write is answered at half the cost (BenchmarkUpdate), and waits for
// no commit (TestKnownNeedNoWriter). One at a time uses it; who finds it taken goes to
// the writer.
type lookup struct {
	mu   sync.Mutex
	conn *direct
	get  *statement // nil once it is closed
}

func openLookup(ctx context.Context, path string) (*lookup, error) {
	conn, err := connectDirect(ctx, lookupDSN(path))
	if err != nil {
		return nil, err
	}
	get, err := conn.prepare(backend.GetSQL)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &lookup{conn: conn, get: get}, nil
}

// find returns what is remembered under the key; nil if that is nothing, or can't be
// seen at once.
func (l *lookup) find(k backend.Key) *greylist.Entry {
	if !l.mu.TryLock() {
		return nil
	}
	defer l.mu.Unlock()
	if l.get == nil {
		return nil
	}
	remembered, err := l.get.entry(k)
	if err != nil {
		return nil
	}
	return remembered
}

func (l *lookup) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := errors.Join(l.get.Close(), l.conn.Close())
	l.get = nil
	return err
}
