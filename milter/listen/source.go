package listen

import (
	"net"
	"net/netip"
	"syscall"
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

// peerUser returns the user who connected (SO_PEERCRED in unix(7)), or root if the
// kernel has none.
func peerUser(c *net.UnixConn) (uid uint32) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			uid = cred.Uid
		}
	})
	return uid
}
