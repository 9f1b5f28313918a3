package web

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// maxConnections bounds the connections. Browsers use up to six each.
const maxConnections = 64

// limiter bounds the connections: at the limit, the one that has been silent longest gives
// way, so that idle ones do not keep others out.
type limiter struct {
	mu     sync.Mutex
	silent []net.Conn // without a request, the longest first
	busy   map[net.Conn]bool
}

func newLimiter() *limiter { return &limiter{busy: make(map[net.Conn]bool)} }

// note is [http.Server] ConnState.
func (l *limiter) note(c net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(c)
	switch state {
	case http.StateActive:
		l.busy[c] = true
	case http.StateNew, http.StateIdle:
		l.silent = append(l.silent, c)
		if len(l.silent)+len(l.busy) > maxConnections {
			longest := l.silent[0] // which may be the new one
			l.silent = l.silent[1:]
			_ = underTLS(longest).Close()
		}
	}
}

func (l *limiter) forget(c net.Conn) {
	delete(l.busy, c)
	for i, other := range l.silent {
		if other == c {
			l.silent = append(l.silent[:i], l.silent[i+1:]...)
			return
		}
	}
}

// underTLS is the connection below TLS: closing that sends nothing, and so does not block.
func underTLS(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		return t.NetConn()
	}
	return c
}
