package milter

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

	"github.com/coreos/go-systemd/v22/activation"
)

// SocketOwner says who may open a unix socket.
type SocketOwner struct {
	Mode  fs.FileMode // permission bits; the MTA needs to write
	Group string      // name or number; empty: the daemon's own
}

// Listen listens on an address. The socket that a daemon which crashed has left
// at a path is replaced, that of a running program or any other file is not.
func Listen(a Address, owner SocketOwner) (net.Listener, error) {
	switch a.Network {
	case "systemd":
		return listenInherited(a)
	case "unix":
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
	// The socket is born closed to all others, and opened as configured after that.
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
	return keepOthers(l, a.Addr)
}

// removeStale makes the path free, unless what is there is not ours to remove.
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
	case errors.Is(err, syscall.ECONNREFUSED): // nobody listens: left behind by a crash
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

// ErrNoGroup means that the group of the sockets is not known on this machine.
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

// ownSocket removes its path when it is closed, but only while it is its own:
// by then a new daemon may listen there.
type ownSocket struct {
	net.Listener
	path string
	born fs.FileInfo
	once sync.Once // afterwards its inode, by which it is known, may be another's
}

func keepOthers(l net.Listener, path string) (net.Listener, error) {
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

// inherited are the sockets that systemd passed to the process, by name
// (sd_listen_fds(3), FileDescriptorName= in systemd.socket(5)).
var inherited = sync.OnceValues(activation.ListenersWithNames)

var (
	takenOver   = make(map[string]bool)
	takenOverMu sync.Mutex
)

func listenInherited(a Address) (net.Listener, error) {
	fail := func(format string, args ...any) (net.Listener, error) {
		return nil, fmt.Errorf("cannot take over %s: %w", a, fmt.Errorf(format, args...))
	}
	byName, err := inherited()
	if err != nil {
		return fail("%w", err)
	}
	takenOverMu.Lock()
	defer takenOverMu.Unlock()
	switch passed := byName[a.Addr]; {
	case len(passed) == 0:
		return fail("systemd passed no socket of that name; set FileDescriptorName=%s in the socket unit", a.Addr)
	case len(passed) > 1:
		return fail("systemd passed %d sockets of that name; give each a socket unit and a FileDescriptorName= of its own", len(passed))
	case takenOver[a.Addr]:
		return fail("it is taken already; name each socket once")
	default:
		takenOver[a.Addr] = true
		return passed[0], nil
	}
}
