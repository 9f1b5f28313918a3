//go:build chaos

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockOffset returns the offset of the wall clock, in seconds, from the file that
// CHAOS_CLOCK names, so that the chaos test can set the clock of a running program.
// Without the variable it is zero. Releases do not have this; a test checks the build
// tag.
func clockOffset() time.Duration {
	file := os.Getenv("CHAOS_CLOCK")
	if file == "" {
		return 0
	}
	text, err := os.ReadFile(file)
	seconds, err2 := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || err2 != nil {
		panic(fmt.Sprintf("CHAOS_CLOCK: %v %v", err, err2))
	}
	return time.Duration(seconds) * time.Second
}
