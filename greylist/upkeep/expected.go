package upkeep

import (
	"context"
	"log/slog"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/judge"
)

const (
	// expectedEvery is how often what is expected is read. With expectedTimeout it is what
	// the manual promises: a daemon knows an expectation within two seconds, unless the
	// database takes longer.
	expectedEvery   = time.Second
	expectedTimeout = 5 * time.Second
)

// FollowExpected tells the judge what is expected, by whatever program that was written,
// until the context ends. While the store fails, the judge keeps what it knows.
func FollowExpected(ctx context.Context, store greylist.Memory, judge *judge.Judge, log *slog.Logger) {
	for failing := false; ; {
		all, err := readExpected(ctx, store)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			judge.Expect(all)
		case !failing:
			log.Warn(eventExpectedFailed, "error", err)
		}
		failing = err != nil
		if !sleep(ctx, expectedEvery) {
			return
		}
	}
}

func readExpected(ctx context.Context, store greylist.Memory) ([]greylist.Expectation, error) {
	ctx, cancel := context.WithTimeout(ctx, expectedTimeout)
	defer cancel()
	return store.Expected(ctx)
}
