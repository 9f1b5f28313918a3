package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// quarantineTime is how the time stands in the name of a database that was
// quarantined: greyglass.db.corrupt-20261122T100102Z, and the same with -wal and
// -shm for the files beside it, so that SQLite takes it as it was.
const quarantineTime = ".corrupt-20060102T150405Z"

// quarantine gives the corrupt database another name, and returns that: empty if
// another program has done it. Nothing is overwritten, and nothing deleted.
func quarantine(path string, which identity, now time.Time) (moved string, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	// Of two who start at once, the second would move the new one.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("flock: %w", err)
	}
	if gone(path, which) {
		return "", nil
	}
	for ; ; now = now.Add(time.Second) {
		moved = path + now.UTC().Format(quarantineTime)
		err := os.Link(path, moved)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	// All have their new names before any loses its old one; the database is
	// the last, so that a crash leaves no log without it.
	for _, name := range []string{walOf(path), shmOf(path)} {
		if err := os.Link(name, moved+strings.TrimPrefix(name, path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	for _, name := range []string{shmOf(path), walOf(path), path} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return moved, syncFile(filepath.Dir(path))
}
