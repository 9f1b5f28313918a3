package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// mayOnlyRead reports whether this user may not write to the file, such as a member of a
// group that may read it.
func mayOnlyRead(path string) bool {
	return errors.Is(unix.Access(path, unix.W_OK), fs.ErrPermission)
}

// onlyReading is how a user who may only read the database opens it. While the daemon runs,
// and after a crash, SQLite reads the -wal and -shm files too. A closed database has none,
// and this user may not create them: immutable=1 has SQLite do without, and without locks.
type onlyReading struct {
	dsn    string
	path   string
	closed fs.FileInfo // of a closed database; nil: SQLite's locks hold
}

// errStarted: what was read of a closed database may be old and new in a mixture.
var errStarted = errors.New("the daemon started while this command read the database; run it again")

func onlyRead(path string) (onlyReading, error) {
	o := onlyReading{path: path, dsn: dsn(path, "ro", "busy_timeout(5000)", "query_only(1)")}
	closed, err := os.Stat(path)
	if err != nil {
		return o, err
	}
	if _, err := os.Lstat(walOf(path)); errors.Is(err, fs.ErrNotExist) {
		o.closed = closed
		o.dsn += "&immutable=1"
	}
	return o, nil
}

// check returns [errStarted] if a closed database has been written to since.
func (o onlyReading) check() error {
	if o.closed == nil {
		return nil
	}
	now, err := os.Stat(o.path)
	if err != nil || !os.SameFile(now, o.closed) || now.Size() != o.closed.Size() || !now.ModTime().Equal(o.closed.ModTime()) {
		return errStarted
	}
	return nil
}

// openOnlyRead opens the database for a user who may only read it. It has the readers
// alone, and every change is refused.
func openOnlyRead(ctx context.Context, path string, newest int) (_ *database, err error) {
	d := &database{path: path}
	if d.only, err = onlyRead(path); err != nil {
		return nil, err
	}
	d.readerDSN = d.only.dsn
	d.refuses = fmt.Errorf("this user may read the database, and not change it: %w", &fs.PathError{Op: "write", Path: path, Err: unix.EACCES})
	if d.readers, err = openPool(d.readerDSN, maxReaders); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	conn, err := d.readers.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if d.pageSize, err = pageSizeOf(ctx, conn); err != nil {
		return nil, err
	}
	version, err := userVersion(ctx, conn)
	if err == nil && version < newest {
		err = fmt.Errorf("it has version %d, and this program's is %d; restart the daemon, which brings it to the present version", version, newest)
	}
	return d, err
}
