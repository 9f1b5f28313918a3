package main

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"greyglass/e2e/lab"
	"greyglass/greylist/clock"
)

// TestSuspendIsNoStep: what the clock is compared with counts the time for which the
// machine is suspended, as /proc/uptime does (Linux' proc(5)). A time namespace has an
// offset of its own for it, and so stands for a suspended machine.
func TestSuspendIsNoStep(t *testing.T) {
	text, err := os.ReadFile("/proc/uptime")
	lab.Need(t, err == nil, "this system has no /proc/uptime")
	var uptime float64
	if _, err := fmt.Sscan(string(text), &uptime); err != nil {
		t.Fatal(err)
	}
	if off := sinceBoot() - time.Duration(uptime*float64(time.Second)); off < -time.Second || off > time.Minute {
		t.Errorf("%s from the uptime", off)
	}
	var monotonic unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &monotonic); err != nil {
		t.Fatal(err)
	}
	if suspended := sinceBoot() - time.Duration(monotonic.Nano()); suspended < 0 {
		t.Errorf("%s suspended", suspended)
	}
	// Asleep for eight hours: both clocks go on, and nothing is a step.
	wall, boot := time.Unix(1_800_000_000, 0), sinceBoot()
	c := clock.NewOf(func() (time.Time, time.Duration) { return wall, boot }, slog.New(slog.DiscardHandler))
	wall, boot = wall.Add(8*time.Hour), boot+8*time.Hour
	if c.Now(); stepped(c) {
		t.Error("a resume is a step")
	}
}

func stepped(c *clock.Clock) bool { _, yes := c.SinceStep(); return yes }
