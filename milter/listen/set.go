package listen

import (
	"io"
	"sync"
)

// Set is the set of a server's listeners.
type Set struct {
	Serving sync.WaitGroup // a listener each, and whatever else the server adds

	mu        sync.Mutex
	closed    bool
	listeners []io.Closer
}

// Add adds a listener, unless the set is closed. The caller must call Serving.Done when
// it no longer serves the listener.
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
