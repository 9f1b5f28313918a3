package sqlite

import (
	"context"
	"errors"
	"sync"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// maxLookers bounds how many triplets are looked up beside the writer at a time,
// and how many caches there are.
const maxLookers = 4

// lookers look triplets up for callers who will most likely write nothing, so
// that those need not go by the writer.
type lookers struct {
	mu     sync.Mutex
	free   []*looker
	closed bool
}

type looker struct {
	conn *direct
	get  *statement
}

func openLookers(ctx context.Context, path string) (*lookers, error) {
	l := new(lookers)
	for range maxLookers {
		conn, err := connectDirect(ctx, lookerDSN(path))
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		get, err := conn.prepare(backend.GetSQL)
		if err != nil {
			return nil, errors.Join(err, conn.Close(), l.close())
		}
		l.free = append(l.free, &looker{conn, get})
	}
	return l, nil
}

// find returns what is remembered under the key, or nil. It returns false if no
// looker is free, or if it fails.
func (l *lookers) find(k backend.Key) (remembered *greylist.Entry, ok bool) {
	one := l.take()
	if one == nil {
		return nil, false
	}
	defer l.give(one)
	remembered, err := one.get.entry(k)
	return remembered, err == nil
}

func (l *lookers) take() *looker {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) == 0 {
		return nil
	}
	last := len(l.free) - 1
	one := l.free[last]
	l.free = l.free[:last]
	return one
}

func (l *lookers) give(one *looker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = one.close()
		return
	}
	l.free = append(l.free, one)
}

// close closes those that are free, and the others when they become so.
func (l *lookers) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var errs []error
	for _, one := range l.free {
		errs = append(errs, one.close())
	}
	l.free = nil
	return errors.Join(errs...)
}

func (l *looker) close() error { return errors.Join(l.get.Close(), l.conn.Close()) }
