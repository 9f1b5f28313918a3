//go:build !chaos

package main

import "time"

// clockOffset is how far the clock was set wrong: not at all, but in the chaos test.
func clockOffset() time.Duration { return 0 }
