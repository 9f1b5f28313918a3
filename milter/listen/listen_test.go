package listen

import (
	"errors"
	"greyglass/e2e/lab"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

var private = SocketOwner{Mode: 0o600}

func listen(t *testing.T, a Address, owner SocketOwner) net.Listener {
	t.Helper()
	l, err := Listen(a, owner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// listenFails fails the test unless listening does, and says so.
func listenFails(t *testing.T, a Address, owner SocketOwner, says ...string) {
	t.Helper()
	l, err := Listen(a, owner)
	if err == nil {
		_ = l.Close()
		t.Fatalf("listens on %s", a)
	}
	for _, says := range append(says, a.String()) {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("error %q does not say %q", err, says)
		}
	}
}

// reaches reports whether the listener is the one that is behind the address.
func reaches(t *testing.T, l net.Listener, a Address) bool {
	t.Helper()
	there, err := net.Dial(a.Network, a.Addr)
	if err != nil {
		return false
	}
	defer there.Close()
	here, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = here.Close()
	return true
}

func TestListenTCP(t *testing.T) {
	for _, s := range []string{"inet:127.0.0.1:0", "inet:0@localhost", "inet6:[::1]:0"} {
		t.Run(s, func(t *testing.T) {
			a, err := ParseAddress(s)
			if err != nil {
				t.Fatal(err)
			}
			l, err := Listen(a, private)
			if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
				lab.Need(t, false, "this machine has no address ::1")
			} else if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			there := Address{a.Network, l.Addr().String()}
			if !reaches(t, l, there) {
				t.Error("nothing answers")
			}
			listenFails(t, there, private, "the address is in use; is another daemon running there?", "ss -ltnp")
		})
	}
	listenFails(t, Address{"tcp4", "192.0.2.1:8895"}, private, "cannot listen on")
}

func TestListenUnix(t *testing.T) {
	a := Address{"unix", filepath.Join(t.TempDir(), "milter.sock")}
	l := listen(t, a, private)
	if !reaches(t, l, a) {
		t.Error("nothing answers")
	}
	listenFails(t, a, private, "a running program listens there; is another daemon running?")
	if !reaches(t, l, a) {
		t.Error("the socket of a running program was replaced")
	}
	_ = l.Close()
	if _, err := os.Lstat(a.Addr); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	listenFails(t, Address{"unix", filepath.Join(t.TempDir(), "missing", "milter.sock")}, private, "there is no folder")
}

// abandon leaves a socket as a program does that crashes.
func abandon(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
}

func TestListenReplacesStaleSocket(t *testing.T) {
	a := Address{"unix", filepath.Join(t.TempDir(), "milter.sock")}
	abandon(t, a.Addr)
	l := listen(t, a, private)
	if !reaches(t, l, a) {
		t.Error("nothing answers")
	}
}

func TestListenLeavesOtherFilesAlone(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(dir, "stale")
	abandon(t, stale)
	linkToStale := filepath.Join(dir, "link-to-stale")
	if err := os.Symlink(stale, linkToStale); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link, folder, linkToStale} {
		listenFails(t, Address{"unix", path}, private, "there is a file of that name that is no socket; remove it or choose another path")
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
	if b, err := os.ReadFile(file); string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}

	datagrams := filepath.Join(dir, "datagrams")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: datagrams, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	listenFails(t, Address{"unix", datagrams}, private, "there is a socket that may be in use")
	if _, err := os.Lstat(datagrams); err != nil {
		t.Error(err)
	}
}

// What is at the path is removed at the end only if it is still ours.
func TestCloseLeavesOthersSocket(t *testing.T) {
	a := Address{"unix", filepath.Join(t.TempDir(), "milter.sock")}
	old := listen(t, a, private)
	if err := os.Remove(a.Addr); err != nil {
		t.Fatal(err)
	}
	successor := listen(t, a, private)
	_ = old.Close()
	if !reaches(t, successor, a) {
		t.Error("the successor's socket is gone")
	}
	_ = successor.Close()

	// Closed again, when the next one may have got the same inode.
	next := listen(t, a, private)
	_ = old.Close()
	_ = successor.Close()
	if !reaches(t, next, a) {
		t.Error("the next one's socket is gone")
	}
}

func TestSocketMode(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0)) // which would let everybody in
	for _, mode := range []fs.FileMode{0o600, 0o660, 0o666, 0o777, 0o222} {
		a := Address{"unix", filepath.Join(t.TempDir(), "milter.sock")}
		l := listen(t, a, SocketOwner{Mode: mode})
		info, err := os.Lstat(a.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("mode %v, want %v", info.Mode().Perm(), mode)
		}
		_ = l.Close()
	}
	if got := syscall.Umask(0); got != 0 {
		t.Errorf("the umask is %#o afterwards", got)
	}
}

// At no moment is the socket open to more than it will be.
func TestSocketModeNeverWider(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	a := Address{"unix", filepath.Join(t.TempDir(), "milter.sock")}
	stop, watched := make(chan struct{}), make(chan fs.FileMode)
	go func() {
		var seen fs.FileMode
		for {
			if info, err := os.Lstat(a.Addr); err == nil {
				seen |= info.Mode().Perm()
			}
			select {
			case <-stop:
				watched <- seen
				return
			default:
			}
		}
	}()
	for range 200 {
		_ = listen(t, a, SocketOwner{Mode: 0o660}).Close()
	}
	close(stop)
	if seen := <-watched; seen&^0o660 != 0 {
		t.Errorf("seen with mode %v", seen)
	}
}

func TestSocketGroup(t *testing.T) {
	gid := os.Getgid()
	groups := map[string]int{strconv.Itoa(gid): gid, "": gid}
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		groups[g.Name] = gid
	}
	if os.Geteuid() == 0 {
		groups["12345"] = 12345
	}
	for name, want := range groups {
		a := Address{"unix", filepath.Join(t.TempDir(), "milter.sock")}
		l := listen(t, a, SocketOwner{Mode: 0o660, Group: name})
		info, err := os.Lstat(a.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := int(info.Sys().(*syscall.Stat_t).Gid); got != want || info.Mode().Perm() != 0o660 {
			t.Errorf("group %q: the socket is of group %d with mode %v", name, got, info.Mode().Perm())
		}
		_ = l.Close()
	}
	for _, name := range []string{"no-such-group-here", "-1", "4294967295"} {
		a := Address{"unix", filepath.Join(t.TempDir(), "milter.sock")}
		listenFails(t, a, SocketOwner{Mode: 0o660, Group: name}, "listen.socket_group", name, "there is no such group")
		if _, err := os.Lstat(a.Addr); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
	}
}
