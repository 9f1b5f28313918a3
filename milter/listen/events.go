package listen

import "log/slog"

// events is the wording of what this package logs.
type events struct{ *slog.Logger }

func (l events) timeout(c *Conn) {
	switch via, peer := slog.String("via", c.via), slog.String("peer", c.Peer()); {
	case !c.asked:
		l.Warn("connection closed: no request came in time; is this a mail server?", via, peer)
	case c.end > c.pos:
		l.Warn("connection closed: a request was begun and not finished in time", via, peer)
	default:
		l.Info("connection closed: idle for too long", via, peer)
	}
}

func (l events) protocolError(c *Conn, err error) {
	l.Warn("connection closed: protocol error", "via", c.via, "peer", c.Peer(), "error", err)
}

func (l events) limitReached(key string, connections int, c *Conn) {
	l.Warn("connection limit reached; closing the oldest connection without a request, or refusing the new one",
		"limit", key, "connections", connections, "peer", c.Peer())
}

func (l events) acceptFailed(via, address string, err error) {
	l.Error("cannot accept a connection; trying again", "via", via, "address", address, "error", err)
}
