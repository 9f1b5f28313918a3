package sqlite

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"syscall"
)

// The files of a database that is open may be deleted, replaced or cut by
// somebody else. SQLite goes on with those that it has, whose content nobody
// finds any more, or that others write to by other rules (sqlite.org/howtocorrupt.html,
// section 2.4). So they are looked at every second and before each commit.
var (
	errMoved  = errors.New("sqlstore: the database file was deleted or replaced")
	errBeside = errors.New("sqlstore: the -wal or -shm file of the database was deleted or replaced")
	errIndex  = errors.New("sqlstore: the -shm file of the database was cut short")
	errCut    = errors.New("sqlstore: the write-ahead log of the database was cut short")
)

// isUnsound reports whether the error says that the files are not those that
// were opened.
func isUnsound(err error) bool {
	return errors.Is(err, errMoved) || errors.Is(err, errBeside) || errors.Is(err, errIndex) || errors.Is(err, errCut)
}

// files are those of an open database in WAL mode, as they were when it was
// opened. They are never opened here: to close the -shm file would end the
// locks that SQLite has on it (sqlite.org/howtocorrupt.html, section 2.2).
type files struct {
	path               string // the database, as it was asked for
	log, index         string // the -wal and -shm files
	database, wal, shm identity
	indexSize          int64        // in bytes, then; it never shrinks
	logSize            atomic.Int64 // in bytes, that the log is known to have had
}

// identity is what tells a file from every other one.
type identity struct{ device, inode uint64 }

func identify(path string) (id identity, size int64, err error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return identity{}, 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return identityOf(&st), st.Size, nil
}

func identityOf(st *syscall.Stat_t) identity { return identity{uint64(st.Dev), st.Ino} }

// lookAt notes the files of a database that was just opened; path is what was
// asked for, real what that is without symbolic links.
func lookAt(path, real string) (_ *files, err error) {
	f := &files{path: path, log: walOf(real), index: shmOf(real)}
	if f.database, _, err = identify(path); err != nil {
		return nil, err
	}
	if f.wal, _, err = identify(f.log); err != nil {
		return nil, err
	}
	f.shm, f.indexSize, err = identify(f.index)
	return f, err
}

// check returns [errMoved], [errBeside] or [errIndex], or nil, and whether the
// log is shorter than it was.
func (f *files) check() (shorter bool, err error) {
	if gone(f.path, f.database) {
		return false, errMoved
	}
	wal, size, err := identify(f.log)
	shm, indexSize, indexErr := identify(f.index)
	switch err := errors.Join(err, indexErr); {
	case errors.Is(err, os.ErrNotExist):
		return false, errBeside
	case err != nil:
		return false, nil // what is wrong then, those who use it are told
	case wal != f.wal || shm != f.shm:
		return false, errBeside
	case indexSize < f.indexSize:
		return false, errIndex
	}
	return size < f.logSize.Load(), nil
}

// noteLog notes the present size of the log, and reports whether it has grown.
func (f *files) noteLog() (grew bool) {
	if _, size, err := identify(f.log); err == nil {
		grew = size > f.logSize.Swap(size)
	}
	return grew
}

// gone reports whether the path is known not to lead to the file any more.
func gone(path string, file identity) bool {
	now, _, err := identify(path)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	return now != file
}

// removeBeside removes what is left of a database that has gone, unless it is
// somebody else's by now: it would be taken for a part of the next one.
func (f *files) removeBeside() {
	for _, file := range []struct {
		path string
		was  identity
	}{{f.log, f.wal}, {f.index, f.shm}} {
		if !gone(file.path, file.was) {
			_ = os.Remove(file.path) // createFile says what is wrong with one that stays
		}
	}
}

// check returns [errMoved], [errBeside], [errIndex] or [errCut], or nil. Whether the log was
// cut costs a look at more than the files, which is taken if it is shorter than
// it was, or to be thorough.
func (o *opened) check(thorough bool) error {
	shorter, err := o.files.check()
	if err != nil || !shorter && !thorough {
		return err
	}
	frames, _, ok := o.frames()
	_, size, err := identify(o.files.log)
	if !ok || err != nil {
		return nil
	}
	if size < logSize(frames, o.pageSize) {
		// Somebody may have emptied it on purpose between the two looks.
		if again, _, ok := o.frames(); ok && size < logSize(again, o.pageSize) {
			return errCut
		}
	}
	o.files.logSize.Store(size)
	return nil
}

// frames returns how many frames the log has, and how many of them the database
// has as well.
func (o *opened) frames() (log, copied int64, ok bool) {
	var busy bool
	err := o.flushing.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(NOOP)`).Scan(&busy, &log, &copied)
	return log, copied, err == nil
}

// copied reports whether the database lacks nothing that was in the log.
func (o *opened) copied() bool {
	log, copied, ok := o.frames()
	return ok && log == copied
}

// logSize is the size in bytes of a log with so many frames, each with a page of
// so many bytes (sqlite.org/fileformat.html, section 4.1).
func logSize(frames, pageSize int64) int64 {
	if frames <= 0 {
		return 0
	}
	return 32 + frames*(24+pageSize)
}
