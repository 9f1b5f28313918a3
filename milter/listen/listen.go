package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// SocketOwner says who may open a unix socket.
type SocketOwner struct {
	Mode  fs.FileMode // permission bits; the MTA needs to write
	Group string      // name or number; empty: the daemon's own
}

// Listen listens on an address, or takes the socket for it that systemd passed. It
// replaces a stale unix socket, but not that of a running program, nor any other file.
func Listen(a Address, owner SocketOwner) (net.Listener, error) {
	if a.Network == "systemd" {
		return passedNamed(a)
	}
	if l, err := passedAt(a, owner); l != nil || err != nil {
		return l, err
	}
	if a.Network == "unix" {
		return listenUnix(a, owner)
	}
	l, err := net.Listen(a.Network, a.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("cannot listen on %s: the address is in use; is another daemon running there? (ss -ltnp shows it)", a)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", a, err)
	}
	return l, nil
}

func listenUnix(a Address, owner SocketOwner) (net.Listener, error) {
	if err := removeStale(a.Addr); err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", a, err)
	}
	// The socket is created closed to others, then opened as configured.
	old := syscall.Umask(0o177)
	l, err := net.Listen("unix", a.Addr)
	syscall.Umask(old)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot listen on %s: there is no folder %s; create it, writable for the daemon's user", a, filepath.Dir(a.Addr))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", a, err)
	}
	if err := owner.apply(a.Addr); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("cannot listen on %s: %w", a, err)
	}
	return ownedSocket(l, a.Addr)
}

// removeStale removes a stale unix socket, and refuses anything else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("there is a file of that name that is no socket; remove it or choose another path")
	}
	c, err := net.DialTimeout("unix", path, 2*time.Second)
	switch {
	case err == nil:
		_ = c.Close()
		return errors.New("a running program listens there; is another daemon running?")
	case errors.Is(err, syscall.ECONNREFUSED): // nothing listens: left behind by a crash
		return os.Remove(path)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return fmt.Errorf("there is a socket that may be in use: %w", err)
}

func (o SocketOwner) apply(path string) error {
	if o.Group != "" {
		gid, err := groupID(o.Group)
		if err != nil {
			return err
		}
		if err := os.Chown(path, -1, gid); err != nil {
			return fmt.Errorf("cannot give the socket to group %q; the daemon's user must be a member of it: %w", o.Group, err)
		}
	}
	return os.Chmod(path, o.Mode.Perm())
}

// ErrNoGroup: the group of the sockets does not exist on this machine.
var ErrNoGroup = errors.New("there is no such group")

func groupID(name string) (int, error) {
	if gid, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(gid), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("listen.socket_group = %q: %w; create it, or name another", name, ErrNoGroup)
	}
	return strconv.Atoi(g.Gid)
}

// ownSocket removes its path when it is closed, unless a new daemon has replaced the
// socket meanwhile.
type ownSocket struct {
	net.Listener
	path string
	born fs.FileInfo
	once sync.Once // the inode, which identifies the socket, may be reused after the first Close
}

func ownedSocket(l net.Listener, path string) (net.Listener, error) {
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	born, err := os.Lstat(path)
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return &ownSocket{Listener: l, path: path, born: born}, nil
}

func (s *ownSocket) Close() error {
	s.once.Do(func() {
		if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.born) {
			_ = os.Remove(s.path)
		}
	})
	return s.Listener.Close()
}
