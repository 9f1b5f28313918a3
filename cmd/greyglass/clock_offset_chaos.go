//go:build chaos

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockOffset is how many seconds, written into the file that CHAOS_CLOCK names, the
// wall clock is ahead, so that the chaos test can set the clock of a program that
// is running, and of no other. Without the variable it is zero. No release has
// this: it stands under a build tag, and a test holds that.
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
