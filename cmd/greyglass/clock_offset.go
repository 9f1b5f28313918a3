//go:build !chaos

package main

import "time"

// clockOffset is zero, except in the chaos test.
func clockOffset() time.Duration { return 0 }
