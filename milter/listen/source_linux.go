package listen

import (
	"net"
	"syscall"
)

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
