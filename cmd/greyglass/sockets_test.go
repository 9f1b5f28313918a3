package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// A second daemon on the first one's socket gives up, and the first does not
// notice.
func TestSecondDaemon(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.configure(conf{"listen.milter": quoted(s.socket, "inet:127.0.0.1:0")})
	first := s.serve()
	port := first.wait(`"listening"`, "inet:127.0.0.1:0").str("bound")
	before := len(first.log())

	s.run("serve").fails(t, statusFailed, "cannot listen on "+s.socket, "a running program listens there; is another daemon running?")
	s.run("serve", "--set", "listen.milter="+quoted("inet:"+port)).fails(t, statusFailed,
		"cannot listen on inet:"+port, "the address is in use; is another daemon running there?")
	// Of several sockets it gets all or none.
	s.run("serve", "--set", "listen.milter="+quoted("unix:"+s.path("other.sock"), "inet:"+port)).fails(t, statusFailed, port)
	if _, err := os.Lstat(s.path("other.sock")); err == nil {
		t.Error("a socket is left of a daemon that did not start")
	}

	if lines := first.log()[before:]; len(lines) != 0 {
		t.Errorf("the first daemon says %v", lines)
	}
	s.ask("203.0.113.7", "ann@example.net", "bob@example.org")
	s.output("probe", "203.0.113.7", "ann@example.net", "bob@example.org", "--to", "inet:"+port)
	first.wait("way-too-soon")
}

func TestOccupiedPort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := newSite(t, conf{"listen.milter": quoted("inet:" + l.Addr().String())})
	s.run("serve").fails(t, statusFailed, "cannot listen on inet:"+l.Addr().String(), "the address is in use")
}

// What is at the socket's path, and is not ours, is left alone.
func TestSocketOfOthers(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	path := s.path("milter.sock")

	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s.run("serve").fails(t, statusFailed, s.socket, "a running program listens there")
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the other program cannot be reached any more: %v", err)
	}
	c.Close()
	l.Close()

	s.write("milter.sock", "mine")
	s.run("serve").fails(t, statusFailed, s.socket, "there is a file of that name that is no socket")
	if s.read("milter.sock") != "mine" {
		t.Error("a file was overwritten")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	s.run("serve").fails(t, statusFailed, s.socket, "no socket")

	s.run("serve", "--set", "listen.milter="+quoted("unix:"+s.path("missing/milter.sock"))).fails(t, statusFailed,
		s.path("missing/milter.sock"), "there is no folder")
	s.run("serve", "--set", "listen.milter="+quoted("unix:"+s.path("m.sock")), "--set", "listen.socket_group=nosuchgroup").fails(t,
		statusConfig, `listen.socket_group = "nosuchgroup": there is no such group`)
	if _, err := os.Lstat(s.path("m.sock")); err == nil {
		t.Error("a socket is left of a daemon that did not start")
	}
}

func TestUnwritableFolders(t *testing.T) {
	t.Parallel()
	s := unprivileged(t, nil)
	locked := filepath.Join(s.dir, "locked")
	if err := os.Mkdir(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	s.run("serve", "--set", "listen.milter="+quoted("unix:"+locked+"/milter.sock")).fails(t, statusFailed,
		"cannot listen on unix:"+locked+"/milter.sock", "permission denied")
	s.run("serve", "--set", "store.url=sqlite:"+locked+"/greyglass.db").fails(t, statusDatabase,
		"cannot create "+locked+"/greyglass.db", "its folder must exist and be writable", "permission denied")
	if entries, err := os.ReadDir(locked); err != nil || len(entries) != 0 {
		t.Errorf("created: %v, %v", entries, err)
	}
	s.serve() // where nothing is in its way
}
