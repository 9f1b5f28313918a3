package listen

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// beingStarted is set in the environment of the test that plays the daemon.
const beingStarted = "MILTER_TEST_BEING_STARTED"

// Sockets that systemd passes: this test starts itself again with three, as
// sd_listen_fds(3) says.
func TestSocketActivation(t *testing.T) {
	if os.Getenv(beingStarted) != "" {
		playDaemon()
		return
	}
	path := filepath.Join(t.TempDir(), "milter.sock")
	unix, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	var files []*os.File
	for _, l := range []interface{ File() (*os.File, error) }{unix, tcp, tcp, tcp} {
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	// The shell knows its process number, and the daemon will have the same.
	daemon := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, os.Args[0], "-test.run=^TestSocketActivation$")
	daemon.Env = append(os.Environ(), beingStarted+"=1", "LISTEN_FDS=4", "LISTEN_FDNAMES=milter:policy:twice:twice")
	daemon.ExtraFiles = files
	var says strings.Builder
	daemon.Stdout, daemon.Stderr = &says, &says
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	greeting := func(network, addr string) string {
		c, err := net.Dial(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		b, _ := io.ReadAll(c)
		return string(b)
	}
	if got := greeting("unix", path); got != "milter" {
		t.Errorf("the unix socket says %q", got)
	}
	if got := greeting("tcp4", tcp.Addr().String()); got != "policy" {
		t.Errorf("the TCP socket says %q", got)
	}
	if err := daemon.Wait(); err != nil {
		t.Errorf("%v: %s", err, says.String())
	}
	for _, want := range []string{
		`cannot use systemd:other: systemd passed no socket of that name; set FileDescriptorName=other in the socket unit`,
		`cannot use systemd:twice: systemd passed 2 sockets of that name; give each a socket unit and a FileDescriptorName= of its own`,
		`cannot use systemd:milter: it is in use already; name each socket once`,
	} {
		if !strings.Contains(says.String(), want) {
			t.Errorf("the daemon says %q, want %q", says.String(), want)
		}
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket is systemd's, and must stay: %v", err)
	}
}

// playDaemon listens on the sockets and greets one client on each.
func playDaemon() {
	for _, name := range []string{"milter", "policy", "other", "twice", "milter"} {
		l, err := Listen(Address{"systemd", name}, private)
		if err != nil {
			fmt.Println(err)
			continue
		}
		greetOnce(l, name)
		_ = l.Close()
	}
}

func greetOnce(l net.Listener, text string) {
	if c, err := l.Accept(); err == nil {
		_, _ = io.WriteString(c, text)
		_ = c.Close()
	}
}

func TestNoSocketPassed(t *testing.T) {
	if os.Getenv(beingStarted) != "" {
		return // this process plays the daemon, which has sockets
	}
	listenFails(t, Address{"systemd", "milter"}, private, "systemd passed no socket of that name; set FileDescriptorName=milter in the socket unit")
}
