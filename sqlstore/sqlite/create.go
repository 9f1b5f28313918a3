package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// fileMode is the mode of a database and of its backups.
const fileMode = 0o640

// createFile creates a database at the path, unless there is one by then. It builds a
// temporary file and renames it, so that a crash leaves no partial database, and two
// daemons that start together use the same one.
func createFile(ctx context.Context, path string, steps []string) error {
	temp, err := newFile(path)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := build(ctx, temp, steps); err != nil {
		return err
	}
	// SQLite would take these for a part of the new database.
	for _, left := range []string{walOf(path), journalOf(path)} {
		if _, err := os.Lstat(left); err == nil {
			if there, _ := inspect(path, len(steps)); there {
				return nil
			}
			return fmt.Errorf("%s is left of a database that is gone; bring that back, or remove the file", left)
		}
	}
	err = publish(temp, path)
	if errors.Is(err, fs.ErrExist) {
		return replaceEmpty(temp, path)
	}
	return err
}

// newFile creates an empty file in the folder of the path, and returns its name.
func newFile(path string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return "", reason(err)
	}
	if err := errors.Join(f.Chmod(fileMode), f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// reason removes the name of the temporary file from an error.
func reason(err error) error {
	var p *fs.PathError
	switch {
	case !errors.As(err, &p):
		return err
	case isRoom(err):
		return p.Err
	}
	return fmt.Errorf("its folder must exist and be writable: %w", p.Err)
}

// build creates the schema in an empty file, not yet in WAL mode, so that the
// application_id is in the file itself.
func build(ctx context.Context, temp string, steps []string) error {
	conn, err := connect(ctx, newFileDSN(temp))
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, markSQL)
	if err == nil {
		err = migrate(ctx, conn.Conn, steps)
	}
	return errors.Join(err, conn.Close())
}

// publish gives the finished file its name, and syncs file and folder. It fails with
// [fs.ErrExist] if the name is taken.
func publish(temp, path string) error {
	if err := syncFile(temp); err != nil {
		return err
	}
	if err := os.Link(temp, path); err != nil {
		return err
	}
	return syncFile(filepath.Dir(path))
}

// replaceEmpty replaces an empty file by the finished one, with a lock on the empty file,
// so that no program replaces another's database.
func replaceEmpty(temp, path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("it is a symbolic link to a file that is not there")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("flock: %w", err)
	}
	locked, err := f.Stat()
	if err != nil {
		return err
	}
	present, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(locked, present) || present.Size() > 0 {
		return nil // another program's
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncFile(filepath.Dir(path))
}

// syncFile syncs a file or a folder.
func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
