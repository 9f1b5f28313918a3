package main

import (
	"context"
	"log/slog"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/sqlstore"
)

// machineClock returns this machine's time, with a monotonic reading.
func machineClock() time.Time { return time.Now().Add(clockOffset()) }

// wallClock returns this machine's time, without a monotonic reading.
func wallClock() time.Time { return machineClock().Round(0) }

// timeOf returns the time for a store's triplets: this machine's, or that of the
// database server. All code that judges or changes triplets gets the time here or from
// [newClock].
func timeOf(store greylist.Store) time.Time { return wallClock().Add(-aheadOf(store)) }

// aheadOf returns how far this machine's clock is ahead of the database server's.
func aheadOf(store greylist.Store) time.Duration {
	ahead, _ := sqlstore.ClockAhead(store)
	return ahead
}

// follow makes the clock follow the database server's, if there is one, once the two
// were compared. It returns then, or when the context ends.
func follow(ctx context.Context, c *clock.Clock, store greylist.Store) {
	for ctx.Err() == nil {
		if _, known := sqlstore.ClockAhead(store); known {
			c.Follow(func() time.Duration { return aheadOf(store) })
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// newClock makes the daemon's clock. It detects steps by the time since boot, because
// Go's monotonic clock stops while the machine is suspended: each resume would look like
// a step. That time takes a system call. It is read only when the wall clock has moved
// against the monotonic one.
func newClock(log *slog.Logger) *clock.Clock {
	start := time.Now()
	var drift, suspended time.Duration
	return clock.NewOf(func() (time.Time, time.Duration) {
		now := time.Now()
		wall, running := now.Add(clockOffset()).Round(0), now.Sub(start)
		if d := wall.Sub(start.Round(0)) - running; suspended == 0 || (d-drift).Abs() > time.Second {
			drift, suspended = d, sinceBoot()-running
		}
		return wall, running + suspended
	}, log)
}
