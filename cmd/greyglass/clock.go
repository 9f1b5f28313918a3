package main

import (
	"log/slog"
	"time"

	"greyglass/greylist/clock"
)

// wallClock is the time by which triplets are remembered. Everything in this
// program that judges or changes one reads the clock here or by [newClock].
func wallClock() time.Time { return time.Now().Round(0).Add(skew()) }

// newClock makes the daemon's clock.
func newClock(log *slog.Logger) *clock.Clock {
	start := time.Now()
	return clock.NewOf(func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0).Add(skew()), now.Sub(start)
	}, log)
}
