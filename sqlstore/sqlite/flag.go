package sqlite

import (
	"sync"
	"sync/atomic"
)

// flag is a condition that many can wait for. It must be lowered before it is
// first used.
type flag struct {
	mu sync.Mutex // of those who raise and lower it
	is bool
	up atomic.Pointer[chan struct{}] // closed while it is raised
}

// raised is closed once the flag is raised, or is so now.
func (f *flag) raised() <-chan struct{} { return *f.up.Load() }

func (f *flag) raise() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.is {
		f.is = true
		close(*f.up.Load())
	}
}

func (f *flag) lower() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.is || f.up.Load() == nil {
		up := make(chan struct{})
		f.is = false
		f.up.Store(&up)
	}
}
