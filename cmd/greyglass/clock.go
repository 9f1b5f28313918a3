package main

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/sqlstore"
)

// machineClock is this machine's, with a monotonic reading.
func machineClock() time.Time { return time.Now().Add(clockOffset()) }

// wallClock is this machine's, for people.
func wallClock() time.Time { return machineClock().Round(0) }

// timeOf is the time by which a store's triplets are remembered: this machine's, or that
// of the server that several machines share. Everything in this program that judges or
// changes one reads the clock here or by [newClock].
func timeOf(store greylist.Store) time.Time { return wallClock().Add(-aheadOf(store)) }

// aheadOf is by how much this machine's clock is ahead of the store's server's.
func aheadOf(store greylist.Store) time.Duration {
	ahead, _ := sqlstore.ClockAhead(store)
	return ahead
}

// follow has the clock go by the store's server's, if it has one, as soon as these were
// compared, or until the context ends.
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

// newClock makes the daemon's clock. It is compared with the time since the machine
// was started, which goes on while the machine is suspended: Go's own monotonic clock
// does not, so that each resume would look like a step.
func newClock(log *slog.Logger) *clock.Clock {
	return clock.NewOf(func() (time.Time, time.Duration) { return wallClock(), sinceBoot() }, log)
}

// sinceBoot is the time since the machine was started, suspended or not.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // the clock is there since Linux 2.6.39
	}
	return time.Duration(t.Nano())
}
