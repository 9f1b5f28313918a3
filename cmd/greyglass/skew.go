//go:build !chaos

package main

import "time"

// skew is how far the clock was set wrong: not at all, but in the chaos test.
func skew() time.Duration { return 0 }
