package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
)

// backupStep is how many pages are copied between two checks of the context: 1 MB.
const backupStep = 256

// Backup implements [greylist.Store]. The copy is a database in one file, not in WAL
// mode, that can be opened as it is. The file appears when it is complete.
func (s *Store) Backup(ctx context.Context, file string, progress func(done, total int64)) (err error) {
	db, err := s.reading()
	if err != nil {
		return err
	}
	if file, err = filepath.Abs(file); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("backup to %s: %w", file, s.Failed(ctx, err))
		}
	}()
	if _, err := os.Lstat(file); err == nil {
		return fs.ErrExist
	}
	temp, err := newFile(file)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	defer os.Remove(walOf(temp)) // exists only after a failure
	if progress == nil {
		progress = func(done, total int64) {}
	}
	if err := db.copyTo(ctx, temp, progress); err != nil {
		return err
	}
	if err := db.only.check(); err != nil {
		return err
	}
	if err := leaveWAL(ctx, temp); err != nil {
		return err
	}
	err = publish(temp, file)
	if errors.Is(err, fs.ErrExist) {
		return fs.ErrExist // the cause names the temporary file
	}
	return err
}

// copyTo copies the database as it is now, page by page, to an empty file.
func (d *database) copyTo(ctx context.Context, temp string, progress func(done, total int64)) error {
	conn, err := connect(ctx, d.readerDSN)
	if err != nil {
		return err
	}
	defer conn.Close()

	// A read transaction holds a snapshot. Without it the copy would restart at every
	// change, and never end while mail flows (sqlite.org/c3ref/backup_finish.html).
	if _, err := conn.ExecContext(ctx, `BEGIN`); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, `SELECT count(*) FROM sqlite_schema`); err != nil {
		return err
	}
	return conn.Raw(func(driverConn any) error {
		backup, err := driverConn.(interface {
			NewBackup(string) (*sqlite.Backup, error)
		}).NewBackup(newFileDSN(temp))
		if err != nil {
			return err
		}
		for more := true; more && err == nil; {
			if err = ctx.Err(); err != nil {
				break
			}
			if more, err = backup.Step(backupStep); err == nil {
				total := int64(backup.PageCount())
				progress((total-int64(backup.Remaining()))*d.pageSize, total*d.pageSize)
			}
		}
		return errors.Join(err, backup.Finish())
	})
}

// leaveWAL switches the copy from WAL mode to a rollback journal.
func leaveWAL(ctx context.Context, temp string) error {
	conn, err := connect(ctx, dsn(temp, "rw", "locking_mode(EXCLUSIVE)"))
	if err != nil {
		return err
	}
	var mode string
	err = conn.QueryRowContext(ctx, `PRAGMA journal_mode = DELETE`).Scan(&mode)
	if err == nil && mode != "delete" {
		err = fmt.Errorf("journal_mode stays %q", mode)
	}
	return errors.Join(err, conn.Close())
}
