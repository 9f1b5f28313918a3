package upkeep

import (
	"context"
	"log/slog"
	"time"

	"greyglass/greylist"
)

const (
	// searchEvery is how often searches are prepared, and searchShare the share of the time
	// while much is to be prepared, as after an update: one in so many parts.
	searchEvery = 2 * time.Second
	searchShare = 10
)

// PrepareSearches prepares searches in a store that needs that, until the context ends.
func PrepareSearches(ctx context.Context, s greylist.Store, log *slog.Logger) {
	store, ok := s.(greylist.Searchable)
	if !ok {
		return
	}
	repeat(ctx, log, eventSearchFailed, func() (time.Duration, error) {
		began := time.Now()
		more, err := store.PrepareSearch(ctx)
		if err == nil && more {
			return (searchShare - 1) * time.Since(began), nil
		}
		return searchEvery, err
	})
}
