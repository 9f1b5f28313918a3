package listen

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerUser returns the user who connected (LOCAL_PEERCRED in unix(4)), or root if the
// kernel has none.
func peerUser(c *net.UnixConn) (uid uint32) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptXucred(int(fd), 0, unix.LOCAL_PEERCRED); err == nil {
			uid = cred.Uid
		}
	})
	return uid
}
