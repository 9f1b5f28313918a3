package listen

import (
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limiter bounds the connections of one front end, over all of its listeners. At a
// limit it closes another connection (see [Conn.precedence]), so that peers that only
// hold connections open cannot lock an MTA out; if all are busy, it refuses the new one.
type Limiter struct {
	via    string // the front end: "milter" or "policy"
	limits atomic.Pointer[Limits]
	log    events

	serving sync.WaitGroup // the listeners

	mu        sync.Mutex
	listeners []*Listener
	shut      bool // down
	conns     map[*Conn]bool
	from      map[source]int // number of connections
	drainAt   time.Time
	warned    bool // logged that a limit is reached
	counters  counters
}

// NewLimiter makes the limiter of a front end.
func NewLimiter(via string, limits Limits, log *slog.Logger) *Limiter {
	l := &Limiter{via: via, log: events{log, slog.String("via", via)}, conns: make(map[*Conn]bool), from: make(map[source]int)}
	l.SetLimits(limits)
	return l
}

// Via returns the name of the front end.
func (l *Limiter) Via() string { return l.via }

// SetLimits sets the limits, also for present connections.
func (l *Limiter) SetLimits(limits Limits) {
	l.limits.Store(&limits)
}

// Limits returns the current limits. They must not be changed.
func (l *Limiter) Limits() *Limits { return l.limits.Load() }

// Admit admits a connection, or returns nil if it is refused at a limit.
func (l *Limiter) Admit(nc net.Conn) *Conn {
	c := &Conn{Conn: nc, limiter: l, source: sourceOf(nc), buf: make([]byte, readBuffer)}
	c.active.Store(sinceStart())
	l.mu.Lock()
	if key := l.reached(c.source); key != "" {
		if !l.warned {
			l.warned = true
			l.log.limitReached(key, len(l.conns), c)
		}
		victim := l.victim(c.source, key)
		if victim == nil {
			l.mu.Unlock()
			l.counters.refused.Add(1)
			return nil
		}
		l.forget(victim)
		l.counters.displaced.Add(1)
		defer victim.Close()
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

// reached returns the key of the limit that another connection from the source would
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

// victim returns the connection to close at a limit, or nil; at the limit of a source,
// one of that source.
func (l *Limiter) victim(from source, key string) (first *Conn) {
	now, best := sinceStart(), busy
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

// leave removes a connection that has ended.
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

// Connections returns the number of connections.
func (l *Limiter) Connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// drain ends every connection at the given time, or earlier if its peer closes it.
// Requests that were received by then are answered.
func (l *Limiter) drain(at time.Time) {
	l.mu.Lock()
	l.drainAt = at
	l.mu.Unlock()
	for _, c := range l.all() {
		c.drain(at)
	}
}

func (l *Limiter) all() []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.conns))
}
