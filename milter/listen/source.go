package listen

import (
	"net"
	"net/netip"
)

// source is what limits.connections_per_address counts by: a network address or, for a
// unix socket, a user.
type source struct {
	addr netip.Addr
	uid  uint32
}

func sourceOf(nc net.Conn) source {
	switch c := nc.(type) {
	case *net.UnixConn:
		return source{uid: peerUser(c)}
	default:
		if tcp, ok := c.RemoteAddr().(*net.TCPAddr); ok {
			return source{addr: tcp.AddrPort().Addr().Unmap()}
		}
		return source{}
	}
}
