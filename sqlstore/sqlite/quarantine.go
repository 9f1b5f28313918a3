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

// quarantineTime is the suffix of a quarantined database:
// greyglass.db.corrupt-20261122T100102Z, with -wal and -shm for its other files, so that
// SQLite can open it as it was.
const quarantineTime = ".corrupt-20060102T150405Z"

// quarantine renames the corrupt database, and returns the new name; empty if another
// program has done it. It overwrites and deletes nothing.
func quarantine(path string, which identity, now time.Time) (moved string, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	// Without a lock, the second of two programs would rename the new database.
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
	// Link all files first, and unlink the database last, so that a crash leaves no log
	// without its database.
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
