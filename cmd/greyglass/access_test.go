package main

import (
	"os"
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
