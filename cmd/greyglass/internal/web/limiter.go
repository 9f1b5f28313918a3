package web

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
)

// maxConnections bounds the connections. Browsers use up to six each.
const maxConnections = 64

// limiter bounds the connections: at the limit, the one that has been silent longest gives
// way to a new one; if none is silent, the one whose request takes longest. So neither idle
// nor slow ones keep others out.
type limiter struct {
	mu   sync.Mutex
	open []connection // in the order in which their state has changed
}

type connection struct {
	net.Conn
	busy bool // it has a request
}

// note is [http.Server] ConnState.
func (l *limiter) note(c net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = slices.DeleteFunc(l.open, func(other connection) bool { return other.Conn == c })
	switch state {
	case http.StateNew, http.StateActive, http.StateIdle:
		l.open = append(l.open, connection{c, state == http.StateActive})
	}
	if len(l.open) > maxConnections {
		others := l.open[:len(l.open)-1]
		i := max(0, slices.IndexFunc(others, func(other connection) bool { return !other.busy }))
		_ = underTLS(others[i].Conn).Close()
		l.open = slices.Delete(l.open, i, i+1)
	}
}

// underTLS is the connection below TLS: closing that sends nothing, and so does not block.
func underTLS(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		return t.NetConn()
	}
	return c
}
