package sqlite

import (
	"os"
	"syscall"
	"testing"

	"greyglass/e2e/lab"
	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// TestOwner: what root's commands leave beside a database belongs to its
// owner, so that the daemon can go on using it.
func TestOwner(t *testing.T) {
	lab.Need(t, os.Getuid() == 0, "only root can act for another user")
	const daemon = 65534
	path := t.TempDir() + "/greyglass.db"
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, daemon, daemon); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), "sqlite:"+path, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), storetest.Numbered(1)); err != nil {
		t.Error(err)
	}
	if err := storetest.Update(t.Context(), s, storetest.Numbered(1), storetest.Remember(greylist.Entry{FirstSeen: 1})); err != nil {
		t.Error(err)
	}
	if _, err := s.Stats(t.Context()); err != nil {
		t.Error(err)
	}
	for _, name := range []string{path, walOf(path), path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != daemon || owner.Gid != daemon || info.Mode() != 0o640 {
			t.Errorf("%s: %v, %d:%d", name, info.Mode(), owner.Uid, owner.Gid)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	onlyFile(t, path)
}
