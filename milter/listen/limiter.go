package listen

import (
	"container/list"
	"context"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limiter bounds the connections of all listeners. At the limit, the oldest
// connection that has sent no request makes room, so that peers who send nothing
// cannot lock an MTA out; if there is none, the new connection is refused.
type Limiter struct {
	limits atomic.Pointer[Limits]
	log    events

	mu       sync.Mutex
	conns    map[*Conn]*list.Element // its place in silent; nil once it has asked
	from     map[source]int          // how many there are, by where they come from
	silent   *list.List              // of *Conn that have sent no request, the oldest first
	drainAt  time.Time
	warned   bool                 // that the limit is reached
	counters map[string]*counters // by front end
}

// source is where connections come from: a network address, which is invalid for
// a unix socket.
type source = netip.Addr

// NewLimiter makes a limiter.
func NewLimiter(limits Limits, log *slog.Logger) *Limiter {
	l := &Limiter{log: events{log}, conns: make(map[*Conn]*list.Element), from: make(map[source]int), silent: list.New(), counters: make(map[string]*counters)}
	l.SetLimits(limits)
	return l
}

// SetLimits makes the limits hold from now on, for present connections too.
func (l *Limiter) SetLimits(limits Limits) {
	limits = limits.OrDefaults()
	l.limits.Store(&limits)
}

// Limits returns the limits that hold. They must not be changed.
func (l *Limiter) Limits() *Limits { return l.limits.Load() }

// admit lets a connection in, or returns nil if there is no room for it.
func (l *Limiter) admit(nc net.Conn, via string) *Conn {
	c := &Conn{Conn: nc, limiter: l, via: via, source: sourceOf(nc), buf: make([]byte, readBuffer)}
	l.mu.Lock()
	c.counters = l.countersOf(via)
	if limit := l.full(c.source); limit != "" {
		if !l.warned {
			l.warned = true
			l.log.limitReached(limit, len(l.conns), c)
		}
		oldest := l.oldestSilent(c.source, limit)
		if oldest == nil {
			l.mu.Unlock()
			c.counters.refused.Add(1)
			return nil
		}
		l.forget(oldest)
		oldest.counters.displaced.Add(1)
		defer oldest.Close()
	}
	l.conns[c] = l.silent.PushBack(c)
	l.from[c.source]++
	drainAt := l.drainAt
	l.mu.Unlock()
	c.counters.admitted.Add(1)
	if !drainAt.IsZero() {
		c.drain(drainAt)
	}
	return c
}

// full returns the limit that another connection from there would exceed, or "".
func (l *Limiter) full(from source) string {
	switch limits := l.Limits(); {
	case len(l.conns) >= limits.Connections:
		return "limits.connections"
	case from.IsValid() && l.from[from] >= limits.PerAddress:
		return "limits.connections_per_address"
	}
	return ""
}

// oldestSilent returns the connection that is to make room, or nil: under the
// limit of an address, one from there.
func (l *Limiter) oldestSilent(from source, limit string) *Conn {
	for place := l.silent.Front(); place != nil; place = place.Next() {
		if c := place.Value.(*Conn); limit == "limits.connections" || c.source == from {
			return c
		}
	}
	return nil
}

func sourceOf(nc net.Conn) source {
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return source{}
}

// hasAsked notes that the connection has sent a request.
func (l *Limiter) hasAsked(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if place := l.conns[c]; place != nil {
		l.silent.Remove(place)
		l.conns[c] = nil
	}
}

// leave notes that the connection has ended.
func (l *Limiter) leave(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(c)
	limits := l.Limits()
	if len(l.conns)*10 <= limits.Connections*9 && l.from[c.source]*10 <= limits.PerAddress*9 {
		l.warned = false
	}
}

func (l *Limiter) forget(c *Conn) {
	place, there := l.conns[c]
	if !there {
		return
	}
	if place != nil {
		l.silent.Remove(place)
	}
	delete(l.conns, c)
	if l.from[c.source]--; l.from[c.source] <= 0 {
		delete(l.from, c.source)
	}
}

// Connections returns how many there are.
func (l *Limiter) Connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// Wait waits until there are no connections, or the context ends.
func (l *Limiter) Wait(ctx context.Context) error {
	for l.Connections() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// Drain lets every connection be answered what it has sent, and ends it at the
// given time, or when its peer has nothing more to send.
func (l *Limiter) Drain(at time.Time) {
	l.mu.Lock()
	l.drainAt = at
	l.mu.Unlock()
	for _, c := range l.all() {
		c.drain(at)
	}
}

// CloseAll closes all connections at once.
func (l *Limiter) CloseAll() {
	for _, c := range l.all() {
		_ = c.Close()
	}
}

func (l *Limiter) all() []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.conns))
}
