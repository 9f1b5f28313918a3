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

	"greyglass/greylist"
)

const (
	// asideTime is how the time stands in the name of a database that was moved
	// aside: greyglass.db.corrupt-20261122T100102Z, and the same with -wal and
	// -shm for the files beside it, so that SQLite takes it as it was.
	asideTime = ".corrupt-20060102T150405Z"

	// condemnedSuffix is that of a file which says that the database beside it
	// was found corrupt while it was in use.
	condemnedSuffix = ".damaged"
)

// moveAside gives the damaged database another name, and returns that: empty if
// somebody else has done it. Nothing is overwritten, and nothing deleted.
func moveAside(path string, which identity, now time.Time) (aside string, err error) {
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
		aside = path + now.UTC().Format(asideTime)
		err := os.Link(path, aside)
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
		if err := os.Link(name, aside+strings.TrimPrefix(name, path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	for _, name := range []string{condemnationOf(path), shmOf(path), walOf(path), path} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return aside, syncFile(filepath.Dir(path))
}

func condemnationOf(path string) string { return path + condemnedSuffix }

// condemn notes that the database is corrupt, as SQLite says, for whoever opens
// it next to know.
func condemn(path string, says error) error {
	state, err := stateOf(path)
	if err != nil {
		return err
	}
	text := state + "\n" + strings.TrimPrefix(says.Error(), greylist.ErrDamaged.Error()+": ") + "\n"
	return os.WriteFile(condemnationOf(path), []byte(text), fileMode)
}

// condemned returns an error that wraps [greylist.ErrDamaged] if the database
// was condemned, and is what it was then.
func condemned(path string) error {
	text, err := os.ReadFile(condemnationOf(path))
	if err != nil {
		return nil // a look at the database itself has to do
	}
	was, says, _ := strings.Cut(string(text), "\n")
	now, err := stateOf(path)
	if err != nil || now != was {
		_ = os.Remove(condemnationOf(path)) // it was mended, or is another
		return nil
	}
	return fmt.Errorf("%w: %s: %s", greylist.ErrDamaged, path, strings.TrimSpace(says))
}

// stateOf differs once a file was changed or replaced.
func stateOf(path string) (string, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return "", &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return fmt.Sprintf("%d:%d %d %d.%09d", st.Dev, st.Ino, st.Size, st.Mtim.Sec, st.Mtim.Nsec), nil
}
