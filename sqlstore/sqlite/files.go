package sqlite

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"syscall"
)

// Another program may delete, replace or truncate the files of an open database. SQLite
// would continue with the deleted files, or corrupt the new ones
// (sqlite.org/howtocorrupt.html, section 2.4). So the files are checked every second and
// before each commit.
var (
	errMoved  = errors.New("the database file was deleted or replaced")
	errBeside = errors.New("the -wal or -shm file of the database was deleted, replaced or cut short")
	errCut    = errors.New("the write-ahead log of the database was cut short")
)

// isTampered reports whether the error means that another program changed the files.
func isTampered(err error) bool {
	return errors.Is(err, errMoved) || errors.Is(err, errBeside) || errors.Is(err, errCut)
}

// files are the files of an open database in WAL mode, as they were when it was opened.
// They are not opened here: closing the -shm file would release SQLite's locks on it
// (sqlite.org/howtocorrupt.html, section 2.2); see [openIndex].
type files struct {
	path                     string // of the database, as configured
	walPath, shmPath         string
	databaseID, walID, shmID identity
	indexSize                int64        // of the -shm file, in bytes; it never shrinks
	walSize                  atomic.Int64 // in bytes, the last known size
}

// identity identifies a file.
type identity struct{ device, inode uint64 }

func identify(path string) (id identity, size int64, err error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return identity{}, 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return identity{uint64(st.Dev), st.Ino}, st.Size, nil
}

// noteFiles notes the files of a database that was just opened; real is path without
// symbolic links.
func noteFiles(path, real string) (_ *files, err error) {
	f := &files{path: path, walPath: walOf(real), shmPath: shmOf(real)}
	if f.databaseID, _, err = identify(path); err != nil {
		return nil, err
	}
	if f.walID, _, err = identify(f.walPath); err != nil {
		return nil, err
	}
	f.noteWALSize()
	f.shmID, f.indexSize, err = identify(f.shmPath)
	return f, err
}

// noteWALSize notes the present size of the -wal file.
func (f *files) noteWALSize() {
	if _, size, err := identify(f.walPath); err == nil {
		f.walSize.Store(size)
	}
}

// check returns [errMoved] or [errBeside], or nil, and whether the log is shorter
// than it was.
func (f *files) check() (shorter bool, err error) {
	if gone(f.path, f.databaseID) {
		return false, errMoved
	}
	wal, size, err := identify(f.walPath)
	shm, indexSize, indexErr := identify(f.shmPath)
	switch err := errors.Join(err, indexErr); {
	case errors.Is(err, os.ErrNotExist):
		return false, errBeside
	case err != nil:
		return false, nil // using the file will return the error
	case wal != f.walID || shm != f.shmID || indexSize < f.indexSize:
		return false, errBeside
	}
	return size < f.walSize.Load(), nil
}

// gone reports whether the path no longer leads to the file.
func gone(path string, file identity) bool {
	now, _, err := identify(path)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	return now != file
}

// removeBeside removes the -wal and -shm files of a deleted database, unless they are
// another program's by now. SQLite would use them with the next database.
func (f *files) removeBeside() {
	for path, was := range map[string]identity{f.walPath: f.walID, f.shmPath: f.shmID} {
		if !gone(path, was) {
			_ = os.Remove(path) // createFile reports a file that stays
		}
	}
}

// checkFiles returns [errMoved], [errBeside] or [errCut], or nil. A log that is
// shorter than it was may have been restarted by a checkpoint.
func (d *database) checkFiles() error {
	shorter, err := d.files.check()
	if err != nil || !shorter {
		return err
	}
	if d.logIsCut() {
		return errCut
	}
	d.files.noteWALSize()
	return nil
}

// logIsCut reports whether the log is shorter than the frames that it should have.
func (d *database) logIsCut() bool {
	for range 2 { // another program's checkpoint may truncate it between the two calls
		frames, ok := d.frames()
		_, size, err := identify(d.files.walPath)
		if !ok || err != nil || size >= walSize(frames, d.pageSize) {
			return false
		}
	}
	return true
}

// frames returns the number of frames in the log.
func (d *database) frames() (log int64, ok bool) {
	var busy, copied int64
	err := d.checkpoints.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(NOOP)`).Scan(&busy, &log, &copied)
	return log, err == nil
}

// logSize returns the size in bytes of a log with so many frames, with pages of so many
// bytes (sqlite.org/fileformat.html, section 4.1).
func walSize(frames, pageSize int64) int64 {
	if frames <= 0 {
		return 0
	}
	return 32 + frames*(24+pageSize)
}
