package mtatest

import (
	"sync"
	"time"
)

// Clock is set by the test.
type Clock struct {
	mu   sync.Mutex
	unix int64
}

func (c *Clock) Now() time.Time  { c.mu.Lock(); defer c.mu.Unlock(); return time.Unix(c.unix, 0) }
func (c *Clock) Advance(s int64) { c.mu.Lock(); defer c.mu.Unlock(); c.unix += s }
