package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// cacheDir is the folder below which everything of the lab lives: root/ (the
// unpacked MTAs), debs/ (their packages), run/ (instances).
func cacheDir() string {
	if dir := os.Getenv("GREYGLASS_LAB"); dir != "" {
		if abs, err := filepath.Abs(dir); err == nil {
			return abs
		}
	}
	return "/var/cache/greyglass-lab"
}

func runDir() string { return filepath.Join(cacheDir(), "run") }

// lockCache makes the cache folder and locks it against other test processes.
// The lock ends with the returned function, or with the process.
func lockCache() (unlock func(), err error) {
	for _, dir := range []string{"root", "debs", "run"} {
		if err := os.MkdirAll(filepath.Join(cacheDir(), dir), 0o755); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(filepath.Join(cacheDir(), ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

// checkPassable returns an error unless every account can walk down to dir:
// the MTAs work as unprivileged accounts.
func checkPassable(dir string) error {
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("%s is closed to other accounts (chmod o+x it, or let GREYGLASS_LAB name another folder)", d)
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

// Dir returns a new folder that the accounts of the MTAs can reach, unlike
// t.TempDir: for a daemon's unix sockets. Sendmail refuses sockets below a
// folder that every user may write to, such as /tmp; this is not one. It is removed
// when the test ends, but kept and named in the test's log if that failed.
func Dir(t testing.TB) string {
	t.Helper()
	Require(t)
	dir, err := newRunFolder("dir")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropRunFolder(t, dir) })
	return dir
}

// newRunFolder makes a folder below run/ that no other process uses.
func newRunFolder(kind string) (string, error) {
	dir, err := os.MkdirTemp(runDir(), kind+"-")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, ownerFile), []byte(ownIdentity()), 0o644); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

func dropRunFolder(t testing.TB, dir string) {
	if t.Failed() {
		t.Logf("kept for a look: %s", dir)
		return
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Errorf("lab: %v", err)
	}
}
