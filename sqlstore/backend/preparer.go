package backend

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// sparseEvery is how often all blocks are looked at for sparse ones.
const sparseEvery = time.Hour

// Preparer finds the blocks that are to be stored, and remembers how far the blocks were
// looked through for sparse ones.
type Preparer struct {
	NextRound time.Time // when the blocks are looked through again

	mu    sync.Mutex
	after int64 // id
}

// Next returns the next block to store, of rows up to an id; nil if there is none now. It
// reports whether to call it again at once.
func (p *Preparer) Next(ctx context.Context, db *sql.DB, upTo int64) (b *Block, more bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b, err = newBlock(ctx, db, upTo); err != nil || b != nil {
		return b, b != nil, err
	}
	if !time.Now().After(p.NextRound) {
		return nil, false, nil
	}
	b, next, err := mergedBlock(ctx, db, p.after)
	if err != nil {
		return nil, false, err
	}
	p.after = next
	if more = b != nil || p.after != 0; !more {
		p.NextRound = time.Now().Add(sparseEvery)
	}
	return b, more, nil
}
