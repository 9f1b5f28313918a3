package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot returns the time since boot, with the time in suspension.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // Linux has this clock since 2.6.39
	}
	return time.Duration(t.Nano())
}
