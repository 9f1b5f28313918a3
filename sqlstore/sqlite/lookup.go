package sqlite

import (
	"context"
	"errors"
	"sync/atomic"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// maxLookups bounds the concurrent look-ups without the writer. With one, known triplets
// cost up to a third more processor time on two processors (BenchmarkUpdate); more than
// two gain nothing.
const maxLookups = 2

// lookups are connections for looking triplets up without the writer: a known triplet
// that needs no write costs half (BenchmarkUpdate), and waits for no commit
// (TestKnownNeedNoWriter). If all connections are in use, the caller goes to the writer.
type lookups chan *direct

func openLookups(ctx context.Context, path string) (lookups, error) {
	all := make(lookups, maxLookups)
	for opened := range maxLookups {
		l, err := openLookup(ctx, path)
		if err != nil {
			return nil, errors.Join(err, all.close(opened))
		}
		all <- l
	}
	return all, nil
}

func openLookup(ctx context.Context, path string) (*direct, error) {
	conn, err := connectDirect(ctx, lookupDSN(path))
	if err != nil {
		return nil, err
	}
	if _, err := conn.prepare(backend.GetSQL); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// find returns the entry of the key; nil if there is none, or it cannot be read at once.
func (all lookups) find(k backend.Key) *greylist.Entry {
	select {
	case l := <-all:
		defer func() { all <- l }()
		remembered, err := l.entry(k)
		if err != nil {
			return nil
		}
		return remembered
	default:
		return nil
	}
}

// close closes so many connections, once they are returned.
func (all lookups) close(opened int) (err error) {
	for range opened {
		l := <-all
		err = errors.Join(err, l.Close())
	}
	return err
}

// kept is the share of the updates that kept the row of their triplet: a moving average, in
// which each counts a 64th; those that the cache answered are not counted. Triplets are looked up without the writer only while more
// than half do: any other is looked up again by the writer, and if most mail is new, that takes
// a tenth of the daemon's time.
type kept struct{ parts atomic.Int32 }

const (
	allParts   = 1 << 16 // all of them
	keptOfLast = 64
)

// note counts an update. Of two that end at the same time, one may be lost.
func (k *kept) note(rowKept bool) {
	var now int32
	if rowKept {
		now = allParts
	}
	before := k.parts.Load()
	k.parts.Store(before + (now-before)/keptOfLast)
}

func (k *kept) most() bool { return k.parts.Load() > allParts/2 }
