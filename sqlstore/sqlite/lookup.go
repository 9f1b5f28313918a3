package sqlite

import (
	"context"
	"errors"
	"sync/atomic"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// maxLookups bounds how many triplets are looked up at a time beside the writer. With one,
// known triplets cost up to a third more processor time where two processors work
// (BenchmarkUpdate); more than two gain nothing.
const maxLookups = 2

// lookups are connections on which triplets are looked up beside the writer: one that is
// known and needs no write is answered at half the cost (BenchmarkUpdate), and waits for
// no commit (TestKnownNeedNoWriter). A caller that finds all of them taken goes to the
// writer.
type lookups chan *lookup

type lookup struct {
	conn *direct
	get  *statement
}

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

func openLookup(ctx context.Context, path string) (*lookup, error) {
	conn, err := connectDirect(ctx, lookupDSN(path))
	if err != nil {
		return nil, err
	}
	get, err := conn.prepare(backend.GetSQL)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &lookup{conn, get}, nil
}

// find returns what is remembered under the key; nil if that is nothing, or can't be
// seen at once.
func (all lookups) find(k backend.Key) *greylist.Entry {
	select {
	case l := <-all:
		defer func() { all <- l }()
		remembered, err := l.get.entry(k)
		if err != nil {
			return nil
		}
		return remembered
	default:
		return nil
	}
}

// close closes so many, once those that are taken are given back.
func (all lookups) close(opened int) (err error) {
	for range opened {
		l := <-all
		err = errors.Join(err, l.get.Close(), l.conn.Close())
	}
	return err
}

// kept is the share of updates, of the last hundred or so, that wrote nothing. Only while
// it is more than half are triplets looked up beside the writer, which looks each up that
// is to be written: where most mail is new, that takes a tenth of the daemon's time.
type kept struct{ parts atomic.Int32 }

const (
	allParts   = 1 << 16
	keptOfLast = 64
)

// note takes in an update. Of two that end at the same time, one may not count.
func (k *kept) note(nothingWritten bool) {
	var now int32
	if nothingWritten {
		now = allParts
	}
	before := k.parts.Load()
	k.parts.Store(before + (now-before)/keptOfLast)
}

func (k *kept) most() bool { return k.parts.Load() > allParts/2 }
