package main

import (
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"greyglass/greylist/clock"
)

// wallClock is the time by which triplets are remembered. Everything in this
// program that judges or changes one reads the clock here or by [newClock].
func wallClock() time.Time { return time.Now().Round(0).Add(skew()) }

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
