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
	searchEvery = 10 * time.Second
	searchShare = 10
)

// PrepareSearches prepares searches in a store that needs that, until the context ends.
func PrepareSearches(ctx context.Context, s greylist.Store, log *slog.Logger) {
	store, ok := s.(greylist.Searchable)
	for failing := false; ok; {
		began := time.Now()
		more, err := store.PrepareSearch(ctx)
		wait := searchEvery
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && more:
			wait = (searchShare - 1) * time.Since(began)
		case err != nil && !failing:
			log.Warn(eventSearchFailed, "error", err)
		}
		failing = err != nil
		if !sleep(ctx, wait) {
			return
		}
	}
}
