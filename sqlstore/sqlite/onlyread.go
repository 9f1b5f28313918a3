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

// onlyReadDSN is for a user who may only read the database. While the daemon runs, and after
// a crash, SQLite reads the -wal and -shm files too. A closed database has none, and this
// user may not create them: immutable=1 makes SQLite do without. If the daemon starts while
// such a command reads, the command may fail.
func onlyReadDSN(path string) string {
	name := dsn(path, "ro", "busy_timeout(5000)", "query_only(1)")
	if _, err := os.Lstat(walOf(path)); errors.Is(err, fs.ErrNotExist) {
		name += "&immutable=1"
	}
	return name
}

// openOnlyRead opens the database for a user who may only read it. It has the readers
// alone, and every change is refused.
func openOnlyRead(ctx context.Context, path string, newest int) (_ *database, err error) {
	d := &database{path: path, readerDSN: onlyReadDSN(path)}
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
