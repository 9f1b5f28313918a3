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
	repeat(ctx, log, eventExpectedFailed, func() (time.Duration, error) {
		all, err := readExpected(ctx, store)
		if err == nil && ctx.Err() == nil {
			judge.Expect(all)
		}
		return expectedEvery, err
	})
}

func readExpected(ctx context.Context, store greylist.Memory) ([]greylist.Expectation, error) {
	ctx, cancel := context.WithTimeout(ctx, expectedTimeout)
	defer cancel()
	return store.Expected(ctx)
}
