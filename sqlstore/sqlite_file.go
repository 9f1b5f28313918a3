package sqlstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"greyglass/greylist"
)

// prepareFile sees to it that there is a database of ours at the path, and
// returns the path as SQLite takes it. Nothing is opened by SQLite, which may
// change a file by that alone, before it is known to be ours.
func prepareFile(ctx context.Context, path string, create bool, steps []string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqlstore: %w", err)
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real // SQLite names the files beside a database after this
	}
	there, err := inspect(abs, len(steps))
	if err != nil {
		return "", err
	}
	if !there {
		if !create {
			return "", fmt.Errorf("%w at %s; greyglass serve creates it", greylist.ErrNoDatabase, abs)
		}
		if err := createFile(ctx, abs, steps); err != nil {
			return "", fmt.Errorf("sqlstore: cannot create %s: %w", abs, err)
		}
		// Somebody else's may have got there first.
		if there, err = inspect(abs, len(steps)); err != nil {
			return "", err
		}
		if !there {
			return "", fmt.Errorf("%w at %s: it was removed while it was being created", greylist.ErrNoDatabase, abs)
		}
	}
	if err := inspectWAL(ctx, abs, len(steps)); err != nil {
		return "", err
	}
	return abs, nil
}

// inspect reports whether there is a database at the path: it must be one of
// ours, and no newer than the given version. An empty file, which may be left
// of a crash, counts as none.
func inspect(path string, newest int) (there bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("sqlstore: cannot read the database: %w", err)
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%w: %s is not a regular file", greylist.ErrNotOurs, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("sqlstore: cannot read the database: %w", err)
	}
	defer f.Close()

	// sqlite.org/fileformat.html, section 1.3; numbers are big-endian.
	var header [100]byte
	n, err := io.ReadFull(f, header[:])
	switch {
	case err == io.EOF:
		return false, nil
	case err != nil && err != io.ErrUnexpectedEOF:
		return false, fmt.Errorf("sqlstore: cannot read the database: %w", err)
	case n < len(header) || !bytes.HasPrefix(header[:], []byte("SQLite format 3\x00")):
		return false, fmt.Errorf("%w: %s is not an SQLite database; give another path", greylist.ErrNotOurs, path)
	case binary.BigEndian.Uint32(header[68:]) != applicationID:
		return false, fmt.Errorf("%w: %s belongs to another program; give another path", greylist.ErrNotOurs, path)
	}
	if version := int(int32(binary.BigEndian.Uint32(header[60:]))); version > newest {
		return true, openError(path, newerError(version, newest))
	}
	return true, nil
}

// inspectWAL looks at the version once more where the file itself may not tell
// it, because the change is still in the write-ahead log of a newer program
// that is running, or was killed.
func inspectWAL(ctx context.Context, path string, newest int) error {
	info, err := os.Stat(walOf(path))
	if err != nil || info.Size() == 0 {
		return nil
	}
	conn, err := connect(ctx, probeDSN(path))
	if err != nil {
		return openError(path, err)
	}
	defer conn.Close()
	version, err := userVersion(ctx, conn.Conn)
	if err != nil {
		return openError(path, err)
	}
	if version > newest {
		return openError(path, newerError(version, newest))
	}
	return nil
}

func walOf(path string) string { return path + "-wal" }
