package upkeep

import (
	"context"
	"log/slog"
	"time"
)

// repeat does something again and again, until the context ends; after each time it waits
// as long as that says. Of errors in succession the first is logged, as an event.
func repeat(ctx context.Context, log *slog.Logger, event string, do func() (wait time.Duration, err error)) {
	for failing := false; ; {
		wait, err := do()
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			log.Warn(event, "error", err)
		}
		failing = err != nil
		if !sleep(ctx, wait) {
			return
		}
	}
}
