package sqlite

import (
	"sync"

	"greyglass/greylist"
)

// maxCachedClients bounds the memory, to some 10 MB.
const maxCachedClients = 1 << 16

// cachedClients has copies of the clients' rows, also of those that have none. They are
// part of the [cache], and exact under its stamp.
type cachedClients struct {
	mu   sync.RWMutex
	rows map[string]*greylist.ClientEntry // nil: the client has no row
}

// findClient returns the row of the client, nil if there is none, and reports whether the
// cache knows.
func (c *cache) findClient(client string) (e *greylist.ClientEntry, known bool) {
	at := c.stamp()
	if at == nil {
		return nil, false
	}
	c.clients.mu.RLock()
	e, known = c.clients.rows[client]
	c.clients.mu.RUnlock()
	if !known || !at.current() {
		return nil, false
	}
	return e, true
}

// putClient stores a row, or that there is none, which was read from the database after its
// state was noted.
func (c *cache) putClient(client string, e *greylist.ClientEntry, read *stamp) {
	if read == nil {
		return
	}
	all := &c.clients
	all.mu.Lock()
	defer all.mu.Unlock()
	if c.now.Load() != read || !read.current() { // see put
		return
	}
	if len(all.rows) >= maxCachedClients {
		for one := range all.rows {
			delete(all.rows, one)
			break
		}
	}
	if all.rows == nil {
		all.rows = make(map[string]*greylist.ClientEntry)
	}
	all.rows[client] = e
}

// changed removes the rows that a transaction may have changed.
func (all *cachedClients) changed(clients []string, expired bool) {
	if len(clients) == 0 && !expired {
		return
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if expired {
		clear(all.rows)
	}
	for _, client := range clients {
		delete(all.rows, client)
	}
}
