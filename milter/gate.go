package milter

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bound what peers may take of the daemon.
type Limits struct {
	Connections int           // at the same time; further ones are refused
	Negotiation time.Duration // for the first request, from the first moment
	Command     time.Duration // for the rest of a request that has begun
	Idle        time.Duration // between requests; MTAs are silent for up to 7210 s
	Recipients  int           // of one message that are kept until DATA
}

// Gate counts the connections that are let in, over all listeners of both
// front ends. When it is full, the oldest connection that has not introduced
// itself by a request makes room, so that strangers who only hold the line cannot
// lock an MTA out; if there is none, the new connection is refused.
type Gate struct {
	limits atomic.Pointer[Limits]
	log    *slog.Logger

	mu       sync.Mutex
	inside   map[*conn]*list.Element // its place among the strangers; nil once introduced
	strange  *list.List              // of *conn, the oldest first
	lastCall time.Time
	full     bool // and said so
}

// NewGate makes a gate.
func NewGate(limits Limits, log *slog.Logger) *Gate {
	g := &Gate{log: log, inside: make(map[*conn]*list.Element), strange: list.New()}
	g.Adopt(limits)
	return g
}

// Adopt makes the limits hold from now on, for those inside too.
func (g *Gate) Adopt(limits Limits) { g.limits.Store(&limits) }

// Limits returns the limits that hold. They must not be changed.
func (g *Gate) Limits() *Limits { return g.limits.Load() }

// guard returns a listener of a front end, whose connections pass the gate.
func (g *Gate) guard(l net.Listener, via string) *guarded {
	return &guarded{Listener: l, gate: g, via: via, closed: make(chan struct{})}
}

type guarded struct {
	net.Listener
	gate   *Gate
	via    string
	once   sync.Once
	closed chan struct{}
}

// Close closes the listener. It may be called again.
func (l *guarded) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// Accept returns the next connection that is let in, as the milter library is
// to see it.
func (l *guarded) Accept() (net.Conn, error) {
	c, err := l.accept()
	if err != nil {
		return nil, err
	}
	return &frames{conn: c}, nil
}

// accept returns the next connection that is let in. It goes on where the
// system is out of file descriptors or the like; its error means that the
// listener was closed.
func (l *guarded) accept() (*conn, error) {
	const first, longest = 5 * time.Millisecond, time.Second
	for pause := first; ; {
		nc, err := l.Listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil, err
		case err != nil:
			l.gate.log.Error("cannot accept a connection; trying again", "via", l.via, "address", l.Addr().String(), "error", err)
			select {
			case <-time.After(pause):
			case <-l.closed:
			}
			pause = min(2*pause, longest)
		default:
			pause = first
			if c := l.gate.enter(nc, l.via); c != nil {
				return c, nil
			}
			_ = nc.Close()
		}
	}
}

// enter lets a connection in, or returns nil if there is no room for it.
func (g *Gate) enter(nc net.Conn, via string) *conn {
	c := &conn{Conn: nc, gate: g, via: via, buf: make([]byte, readBuffer)}
	g.mu.Lock()
	if len(g.inside) >= g.Limits().Connections {
		oldest := g.strange.Front()
		if !g.full {
			g.full = true
			g.log.Warn("as many connections as limits.connections allows; the oldest that has sent no request is closed, or the new one",
				"connections", len(g.inside))
		}
		if oldest == nil {
			g.mu.Unlock()
			return nil
		}
		g.forget(oldest.Value.(*conn))
		defer oldest.Value.(*conn).Close()
	}
	g.inside[c] = g.strange.PushBack(c)
	lastCall := g.lastCall
	g.mu.Unlock()
	if !lastCall.IsZero() {
		c.finishBy(lastCall)
	}
	return c
}

// introduced notes that the connection's peer is no stranger.
func (g *Gate) introduced(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if place := g.inside[c]; place != nil {
		g.strange.Remove(place)
		g.inside[c] = nil
	}
}

// left notes that the connection has ended.
func (g *Gate) left(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(c)
	if len(g.inside)*10 <= g.Limits().Connections*9 {
		g.full = false
	}
}

func (g *Gate) forget(c *conn) {
	if place := g.inside[c]; place != nil {
		g.strange.Remove(place)
	}
	delete(g.inside, c)
}

// Connections returns how many there are.
func (g *Gate) Connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.inside)
}

// empty waits until there are no connections, or the context ends.
func (g *Gate) empty(ctx context.Context) error {
	for g.Connections() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// finishBy ends all connections in good order, see [conn.finishBy].
func (g *Gate) finishBy(t time.Time) {
	g.mu.Lock()
	g.lastCall = t
	g.mu.Unlock()
	for _, c := range g.all() {
		c.finishBy(t)
	}
}

// closeAll closes all connections at once.
func (g *Gate) closeAll() {
	for _, c := range g.all() {
		_ = c.Close()
	}
}

func (g *Gate) all() []*conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.inside))
}
