package milter

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bound what peers may take of the daemon.
type Limits struct {
	Connections int           // at the same time; further ones are refused
	PerAddress  int           // of these, from one network address
	Negotiation time.Duration // for the first request, from the first moment
	Command     time.Duration // for the rest of a request that has begun
	Idle        time.Duration // between requests; MTAs are silent for up to 7210 s
	Recipients  int           // of one message that are kept until DATA
	Line        int           // octets of an SMTP command's arguments, or of a policy attribute
	Request     int           // octets of a milter frame, or of a policy request
	Attributes  int           // of a policy request
}

// orDefaults has defaults in the place of the bounds of requests that are zero.
func (l Limits) orDefaults() Limits {
	for _, bound := range []struct {
		value   *int
		instead int
	}{{&l.PerAddress, l.Connections}, {&l.Line, DefaultLine}, {&l.Request, DefaultRequest}, {&l.Attributes, DefaultAttributes}} {
		if *bound.value == 0 {
			*bound.value = bound.instead
		}
	}
	return l
}

const (
	DefaultLine       = 16 << 10  // octets; MTAs cut SMTP command lines at 2 to 12 KiB
	DefaultRequest    = 1 + 65535 // octets: a chunk of a message's body (mfdef.h, MILTER_CHUNK_SIZE), which is never asked for
	DefaultAttributes = 200       // Postfix sends some 30
)

// Gate counts the connections that are let in, over all listeners of both
// front ends. When it is full, the oldest connection that has not introduced
// itself by a request makes room, so that strangers who only hold the line cannot
// lock an MTA out; if there is none, the new connection is refused.
type Gate struct {
	limits atomic.Pointer[Limits]
	log    *slog.Logger

	mu       sync.Mutex
	inside   map[*conn]*list.Element // its place among the strangers; nil once introduced
	from     map[netip.Addr]int      // how many are inside, by address; the invalid one stands for unix sockets
	strange  *list.List              // of *conn, the oldest first
	lastCall time.Time
	warned   bool                // that it is full
	traffic  map[string]*traffic // by front end
}

// NewGate makes a gate.
func NewGate(limits Limits, log *slog.Logger) *Gate {
	g := &Gate{log: log, inside: make(map[*conn]*list.Element), from: make(map[netip.Addr]int), strange: list.New(), traffic: make(map[string]*traffic)}
	g.Adopt(limits)
	return g
}

// Adopt makes the limits hold from now on, for those inside too.
func (g *Gate) Adopt(limits Limits) {
	limits = limits.orDefaults()
	g.limits.Store(&limits)
}

// Limits returns the limits that hold. They must not be changed.
func (g *Gate) Limits() *Limits { return g.limits.Load() }

// guard returns a listener of a front end, whose connections pass the gate.
func (g *Gate) guard(l net.Listener, via string) *guarded {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trafficOf(via)
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
	c := &conn{Conn: nc, gate: g, via: via, address: addressOf(nc), buf: make([]byte, readBuffer)}
	g.mu.Lock()
	c.traffic = g.trafficOf(via)
	if limit := g.full(c.address); limit != "" {
		if !g.warned {
			g.warned = true
			g.log.Warn("as many connections as "+limit+" allows; the oldest that has sent no request is closed, or the new one",
				"connections", len(g.inside), "peer", c.peer())
		}
		oldest := g.oldestStranger(c.address, limit)
		if oldest == nil {
			g.mu.Unlock()
			c.traffic.refused.Add(1)
			return nil
		}
		g.forget(oldest)
		oldest.traffic.displaced.Add(1)
		defer oldest.Close()
	}
	g.inside[c] = g.strange.PushBack(c)
	g.from[c.address]++
	lastCall := g.lastCall
	g.mu.Unlock()
	c.traffic.entered.Add(1)
	if !lastCall.IsZero() {
		c.finishBy(lastCall)
	}
	return c
}

// full returns the limit that another connection from the address would exceed,
// or "".
func (g *Gate) full(address netip.Addr) string {
	switch limits := g.Limits(); {
	case len(g.inside) >= limits.Connections:
		return "limits.connections"
	case address.IsValid() && g.from[address] >= limits.PerAddress:
		return "limits.connections_per_address"
	}
	return ""
}

// oldestStranger returns the connection that is to make room, or nil: under the
// limit of an address, one from there.
func (g *Gate) oldestStranger(address netip.Addr, limit string) *conn {
	for place := g.strange.Front(); place != nil; place = place.Next() {
		if c := place.Value.(*conn); limit == "limits.connections" || c.address == address {
			return c
		}
	}
	return nil
}

// addressOf returns the network address of the peer; it is invalid for a unix
// socket.
func addressOf(nc net.Conn) netip.Addr {
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
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
	limits := g.Limits()
	if len(g.inside)*10 <= limits.Connections*9 && g.from[c.address]*10 <= limits.PerAddress*9 {
		g.warned = false
	}
}

func (g *Gate) forget(c *conn) {
	place, inside := g.inside[c]
	if !inside {
		return
	}
	if place != nil {
		g.strange.Remove(place)
	}
	delete(g.inside, c)
	if g.from[c.address]--; g.from[c.address] <= 0 {
		delete(g.from, c.address)
	}
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
