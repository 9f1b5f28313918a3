package watch

import (
	"context"
	"sync"
	"time"

	"greyglass/greylist"
)

const (
	// countEvery is how often the triplets are counted in a small database.
	countEvery = time.Minute

	// countShare bounds the time for counting: one of a hundred seconds. Counting ten
	// million triplets takes seconds, so it is then done every few minutes.
	countShare = 100
)

// Rows counts the triplets of a store periodically. Counting them for each request would
// be too expensive in a large database.
type Rows struct {
	mu sync.Mutex
	at time.Time // of the last count; zero: none yet
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
