package milter

import (
	"net"
	"sync"
)

// doors are the listeners from which a server accepts connections, until it is
// shut down.
type doors struct {
	mu        sync.Mutex
	shut      bool
	listeners []net.Listener
	serving   sync.WaitGroup // a listener each, and whatever else the server adds
}

// open notes that a listener is served from now on, until serving.Done is called,
// unless the server is being shut down.
func (d *doors) open(l net.Listener) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return false
	}
	d.listeners = append(d.listeners, l)
	d.serving.Add(1)
	return true
}

// close closes all listeners, for good.
func (d *doors) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = true
	for _, l := range d.listeners {
		_ = l.Close()
	}
}

func (d *doors) closed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shut
}
