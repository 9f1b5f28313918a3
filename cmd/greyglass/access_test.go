package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"greyglass/e2e/lab"
)

// TestAccessIsDenied: who may not open the database or the socket is told who may.
func TestAccessIsDenied(t *testing.T) {
	t.Parallel()
	lab.Need(t, os.Geteuid() == 0, "only root can act for two users")
	s := unprivileged(t, nil)
	s.create()
	if err := os.Chown(s.db, int(s.user.Uid), int(s.user.Gid)); err != nil {
		t.Fatal(err)
	}
	s.serve()
	const owner = "run it as the user nobody (sudo -u nobody greyglass ...), or as a member of the group nogroup"
	s.user = &syscall.Credential{Uid: 12345, Gid: 12345}
	for _, mode := range []os.FileMode{0o750, 0o755} { // the folder is closed, or what is in it
		if err := os.Chmod(s.dir, mode); err != nil {
			t.Fatal(err)
		}
		set := []string{"--config", "/dev/null", "--set", "store.url=sqlite:" + s.db, "--set", "listen.milter=" + quoted(s.socket)}
		for _, c := range []struct {
			command string
			status  int
		}{
			{"list", statusDatabase},
			{"stats", statusDatabase},
			{"pass 203.0.113.7 ann@example.net bob@example.org", statusDatabase},
			{"probe 203.0.113.7 ann@example.net bob@example.org", statusFailed},
		} {
			cmd := s.command(t.Context(), strings.Fields(c.command)...)
			cmd.Args = append(cmd.Args[:len(cmd.Args)-2], set...)
			cmd.Dir = "/"
			finish(t, cmd).fails(t, c.status, "permission denied", owner)
		}
	}
}

// TestGroupMayOnlyRead: a member of the database's group looks into it while the daemon
// runs, after it was killed, and after it has stopped; and changes nothing.
func TestGroupMayOnlyRead(t *testing.T) {
	t.Parallel()
	lab.Need(t, os.Geteuid() == 0, "only root can act for two users")
	const group = 23456
	s := unprivileged(t, nil)
	if err := errors.Join(os.Chown(s.dir, int(s.user.Uid), group), os.Chmod(s.dir, os.ModeSetgid|0o750)); err != nil {
		t.Fatal(err)
	}
	triplet := []string{"203.0.113.7", "ann@example.net", "bob@example.org"}
	look := func(when string) {
		t.Helper()
		member := *s
		member.user = &syscall.Credential{Uid: 12345, Gid: 12345, Groups: []uint32{group}}
		for command, want := range map[string]string{
			"list":                                  "ann@example.net",
			"stats":                                 "waiting         1",
			"explain " + strings.Join(triplet, " "): "too-soon",
			"expect --list":                         "",
			"doctor":                                " is sound (",
		} {
			r := member.run(strings.Fields(command)...)
			if r.status != 0 && command != "doctor" || !strings.Contains(r.stdout, want) {
				t.Errorf("%s, %s: status %d, no %q in: %s%s", when, command, r.status, want, r.stdout, r.stderr)
			}
		}
		for _, command := range [][]string{append([]string{"pass"}, triplet...), append([]string{"forget"}, triplet...), {"pass", "--domain", "example.net"}, {"forget", "--domain", "example.net"}} {
			member.run(command...).fails(t, statusFailed, "this user may read the database, and not change it", "permission denied",
				"run it as the user nobody (sudo -u nobody greyglass ...)\n")
		}
		if files, _ := filepath.Glob(s.db + "*"); len(files) == 0 {
			t.Error("no database")
		} else {
			for _, file := range files {
				if info, err := os.Stat(file); err != nil || info.Mode() != 0o640 || info.Sys().(*syscall.Stat_t).Gid != group {
					t.Errorf("%s, %s: %v, %v", when, file, info, err)
				}
			}
		}
	}
	daemon := s.serve()
	s.ask(triplet[0], triplet[1], triplet[2])
	look("while the daemon runs")
	daemon.kill()
	look("after the daemon was killed")
	s.serve().stop()
	if _, err := os.Stat(s.db + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the stopped daemon left its log: %v", err)
	}
	look("while no daemon runs")
}
