package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// origin says how an opened database came to be.
type origin int

const (
	existing    origin = iota
	created            // new: there was none
	quarantined        // new: in place of a corrupt one
)

// prepareFile makes sure that there is a Greyglass database at the path, and returns the
// path without symbolic links. Before SQLite opens the file, which may change it, the
// header is checked.
func prepareFile(ctx context.Context, asked string, opts settings) (path string, from origin, err error) {
	path = asked
	if real, err := filepath.EvalSymlinks(asked); err == nil {
		path = real // SQLite derives the names of the -wal and -shm files from this
	}
	there, err := inspect(path, len(opts.steps))
	if err != nil {
		return "", from, err
	}
	if there {
		if there, err = sound(ctx, path, opts); err != nil || there {
			return path, from, err
		}
		from = quarantined
	}
	if !opts.create {
		return "", from, fmt.Errorf("%w at %s; greyglass serve creates it", greylist.ErrNoDatabase, path)
	}
	if err := createFile(ctx, path, opts.steps); err != nil {
		return "", from, fmt.Errorf("cannot create %s: %w", path, err)
	}
	if from != quarantined {
		from = created
	}
	// Another program may have created one first.
	if there, err = inspect(path, len(opts.steps)); err != nil {
		return "", from, err
	}
	if !there {
		return "", from, fmt.Errorf("%w at %s: it was removed while it was being created", greylist.ErrNoDatabase, path)
	}
	return path, from, peek(ctx, path, len(opts.steps))
}

// sound reports whether the Greyglass database at the path can be used. With create, it
// quarantines a corrupt one, after which there is none.
func sound(ctx context.Context, path string, opts settings) (there bool, err error) {
	before, _, err := identify(path)
	if err != nil {
		return false, openError(path, err)
	}
	if err = opts.damaged; err == nil || before != opts.corrupt {
		err = peek(ctx, path, len(opts.steps))
	}
	if !errors.Is(err, greylist.ErrDamaged) || !opts.create {
		return true, err
	}
	moved, moveErr := quarantine(path, before, time.Now())
	if moveErr != nil {
		return false, fmt.Errorf("%w; cannot quarantine it: %w", err, moveErr)
	}
	if moved != "" {
		opts.log.Error(eventQuarantined, "database", path, "moved_to", moved, "error", err)
	}
	return inspect(path, len(opts.steps)) // another program may have created a new one
}

// inspect reports whether there is a database at the path: it must be a Greyglass
// database, and no newer than the given version. An empty file, which a crash may leave,
// counts as none.
func inspect(path string, newest int) (there bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("cannot read the database: %w", err)
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%w: %s is not a regular file", greylist.ErrNotOurs, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("cannot read the database: %w", err)
	}
	defer f.Close()

	// sqlite.org/fileformat.html, section 1.3; numbers are big-endian.
	var header [100]byte
	n, err := io.ReadFull(f, header[:])
	switch {
	case err == io.EOF:
		return false, nil
	case err != nil && err != io.ErrUnexpectedEOF:
		return false, fmt.Errorf("cannot read the database: %w", err)
	case n < len(header) || !bytes.HasPrefix(header[:], []byte("SQLite format 3\x00")):
		return false, fmt.Errorf("%w: %s is not an SQLite database; give another path", greylist.ErrNotOurs, path)
	case binary.BigEndian.Uint32(header[68:]) != applicationID:
		return false, fmt.Errorf("%w: %s belongs to another program; give another path", greylist.ErrNotOurs, path)
	}
	if version := int(int32(binary.BigEndian.Uint32(header[60:]))); version > newest {
		return true, openError(path, backend.NewerError(version, newest))
	}
	return true, nil
}

// peek checks quickly, by SQLite, whether the schema and the root pages of table and
// index can be read, and whether the version is known. A newer version may be in the log
// only.
func peek(ctx context.Context, path string, newest int) error {
	var version int
	err := untilFree(ctx, func() (err error) {
		version, err = readSome(ctx, path)
		return err
	})
	switch {
	case isCorrupt(err):
		return fmt.Errorf("%w: %s: %w", greylist.ErrDamaged, path, err)
	case err != nil:
		return openError(path, err)
	case version > newest:
		return openError(path, backend.NewerError(version, newest))
	}
	return nil
}

// readSome reads a little of everything. If a program was killed while it switched the
// database to WAL mode, SQLite first rolls that back, which it cannot do read-only.
func readSome(ctx context.Context, path string) (version int, err error) {
	if mayOnlyRead(path) {
		only, err := onlyRead(path)
		if err != nil {
			return 0, err
		}
		version, err = readBy(ctx, only.dsn)
		return version, cmp.Or(only.check(), err)
	}
	version, err = readBy(ctx, inspectDSN(path))
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code() == sqlite3.SQLITE_READONLY_ROLLBACK {
		return readBy(ctx, readerDSN(path))
	}
	return version, err
}

func readBy(ctx context.Context, dsn string) (version int, err error) {
	conn, err := connect(ctx, dsn)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if version, err = userVersion(ctx, conn.Conn); err != nil {
		return 0, err
	}
	queries := []string{`SELECT count(*) FROM sqlite_schema`}
	if version > 0 {
		queries = append(queries, `SELECT max(id) FROM triplet`, `SELECT count(*) FROM triplet WHERE key = x'00'`)
	}
	for _, query := range queries {
		var any sql.NullInt64
		if err := conn.QueryRowContext(ctx, query).Scan(&any); err != nil {
			return version, err
		}
	}
	return version, nil
}

func walOf(path string) string     { return path + "-wal" }
func shmOf(path string) string     { return path + "-shm" }
func journalOf(path string) string { return path + "-journal" }
