package listen

import "log/slog"

// events logs the events of this package.
type events struct {
	*slog.Logger
	via slog.Attr
}

func (l events) timeout(c *Conn) {
	switch peer := slog.String("peer", c.Peer()); {
	case !c.asked.Load():
		l.Warn("connection closed: no request came in time; is this a mail server?", l.via, peer)
	case c.end > c.pos:
		l.Warn("connection closed: timeout within a request", l.via, peer)
	default:
		l.Info("connection closed: idle for too long", l.via, peer)
	}
}

func (l events) protocolError(c *Conn, err error) {
	l.Warn("connection closed: protocol error", l.via, "peer", c.Peer(), "error", err)
}

func (l events) limitReached(key string, connections int, c *Conn) {
	l.Warn("connection limit reached; closing the oldest idle connection, or refusing the new one",
		l.via, "limit", key, "connections", connections, "peer", c.Peer())
}

func (l events) acceptFailed(address string, err error) {
	l.Error("cannot accept a connection; trying again", l.via, "address", address, "error", err)
}
