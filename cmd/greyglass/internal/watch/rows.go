package watch

import (
	"context"
	"sync"
	"time"

	"greyglass/greylist"
)

const (
	// countEvery is how often what is remembered is counted, in a small database.
	countEvery = time.Minute

	// countShare is what counting may take: of a hundred seconds one. To count
	// ten million triplets takes seconds, so that it is done every few minutes then.
	countShare = 100
)

// Rows counts now and then what a store remembers: to do it for each who asks
// would cost a large database more than mail does.
type Rows struct {
	mu sync.Mutex
	at time.Time // zero: never
	is greylist.Stats
}

// Run counts until the context ends.
func (r *Rows) Run(ctx context.Context, store greylist.Store) {
	for {
		began := time.Now()
		if is, err := store.Stats(ctx); err == nil {
			r.mu.Lock()
			r.at, r.is = began, is
			r.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(countEvery, countShare*time.Since(began))):
		}
	}
}

// Last returns the last count and when it was; the zero time if there was none.
func (r *Rows) Last() (greylist.Stats, time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.is, r.at
}
