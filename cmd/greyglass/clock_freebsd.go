package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot returns the time since boot, with the time in suspension.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // each FreeBSD has this clock, which goes on in suspension
	}
	return time.Duration(t.Nano())
}
