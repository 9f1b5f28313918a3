package listen

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limiter bounds the connections of one front end, over all of its listeners. At a
// limit, another connection gives way (see [Conn.precedence]), so that peers who
// only hold connections cannot lock an MTA out; if none does, the new one is refused.
type Limiter struct {
	via    string // the front end: "milter" or "policy"
	limits atomic.Pointer[Limits]
	log    events

	mu       sync.Mutex
	conns    map[*Conn]bool
	from     map[source]int // how many there are, by where they come from
	drainAt  time.Time
	warned   bool // that a limit is reached
	counters counters
}

// NewLimiter makes the limiter of a front end.
func NewLimiter(via string, limits Limits, log *slog.Logger) *Limiter {
	l := &Limiter{via: via, log: events{log, slog.String("via", via)}, conns: make(map[*Conn]bool), from: make(map[source]int)}
	l.SetLimits(limits)
	return l
}

// Via returns the name of the front end.
func (l *Limiter) Via() string { return l.via }

// SetLimits makes the limits hold from now on, for present connections too.
func (l *Limiter) SetLimits(limits Limits) {
	limits = limits.OrDefaults()
	l.limits.Store(&limits)
}

// Limits returns the limits that hold. They must not be changed.
func (l *Limiter) Limits() *Limits { return l.limits.Load() }

// Admit lets a connection in, or returns nil if there is no room for it.
func (l *Limiter) Admit(nc net.Conn) *Conn {
	c := &Conn{Conn: nc, limiter: l, source: sourceOf(nc), buf: make([]byte, readBuffer)}
	c.active.Store(time.Now().UnixNano())
	l.mu.Lock()
	if key := l.reached(c.source); key != "" {
		if !l.warned {
			l.warned = true
			l.log.limitReached(key, len(l.conns), c)
		}
		giving := l.givesWay(c.source, key)
		if giving == nil {
			l.mu.Unlock()
			l.counters.refused.Add(1)
			return nil
		}
		l.forget(giving)
		l.counters.displaced.Add(1)
		defer giving.Close()
	}
	l.conns[c] = true
	l.from[c.source]++
	drainAt := l.drainAt
	l.mu.Unlock()
	l.counters.admitted.Add(1)
	if !drainAt.IsZero() {
		c.drain(drainAt)
	}
	return c
}

// reached returns the key of the limit that another connection from there would
// exceed, or "".
func (l *Limiter) reached(from source) string {
	switch limits := l.Limits(); {
	case len(l.conns) >= limits.Connections:
		return keyConnections
	case l.from[from] >= limits.PerAddress:
		return keyPerAddress
	}
	return ""
}

const (
	keyConnections = "limits.connections"
	keyPerAddress  = "limits.connections_per_address"
)

// givesWay returns the connection that is to give way, or nil: at the limit of a
// source, one from there.
func (l *Limiter) givesWay(from source, key string) (first *Conn) {
	now, best := time.Now(), busy
	for c := range l.conns {
		if key == keyPerAddress && c.source != from {
			continue
		}
		switch p := c.precedence(now); {
		case p > best, p == best && p != busy && c.active.Load() < first.active.Load():
			first, best = c, p
		}
	}
	return first
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
	if !l.conns[c] {
		return
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
