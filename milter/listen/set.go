package listen

import (
	"io"
	"sync"
)

// Set is the listeners from which a server accepts connections until it is shut
// down.
type Set struct {
	Serving sync.WaitGroup // a listener each, and whatever else the server adds

	mu        sync.Mutex
	closed    bool
	listeners []io.Closer
}

// Add notes that a listener is served from now on, until Serving.Done is called,
// unless the set is closed.
func (s *Set) Add(l io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners = append(s.listeners, l)
	s.Serving.Add(1)
	return true
}

// Close closes all listeners, for good.
func (s *Set) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, l := range s.listeners {
		_ = l.Close()
	}
}

// Closed reports whether the set is closed.
func (s *Set) Closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
