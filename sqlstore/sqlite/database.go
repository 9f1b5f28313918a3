package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// database is one that is open: all connections to it, and its files.
type database struct {
	path        string      // absolute, without symbolic links
	files       *files      // as they were then
	writing     *direct     // the writer's
	tx          *tx         // on that
	synchronous string      // of that
	checkpoints *connection // for checkpoints
	readers     *sql.DB     // cannot write
	lookups     lookups     // nor can these
	pageSize    int64       // in bytes
}

// maxReaders bounds the pool of readers: enough for a person or two beside the
// daemon's own questions.
const maxReaders = 4

// openPath opens what is at the path, or a new database.
func openPath(ctx context.Context, asked string, opts settings) (*database, origin, error) {
	path, from, err := prepareFile(ctx, asked, opts)
	if err != nil {
		return nil, from, err
	}
	d, err := openDatabase(ctx, asked, path, opts)
	if err != nil {
		return nil, from, openError(path, err)
	}
	return d, from, nil
}

// openDatabase opens the database that [prepareFile] has found at the path,
// which was asked for by another name.
func openDatabase(ctx context.Context, asked, path string, opts settings) (_ *database, err error) {
	d := &database{path: path}
	file, _, err := identify(asked)
	if err != nil {
		return nil, err
	}
	defer func() {
		switch {
		case errors.Is(err, errCut):
			err = errors.Join(err, d.closeAsItIs())
		case err != nil:
			err = errors.Join(err, d.close())
		}
	}()
	if err = d.openWriting(ctx, opts); err != nil {
		return nil, err
	}
	if d.checkpoints, err = connectWhenFree(ctx, checkpointDSN(path)); err != nil {
		return nil, err
	}
	if d.readers, err = openPool(readerDSN(path), maxReaders); err != nil {
		return nil, err
	}
	if d.lookups, err = openLookups(ctx, path); err != nil {
		return nil, err
	}
	if d.files, err = noteFiles(asked, path); err != nil {
		return nil, err
	}
	switch {
	case d.files.database != file: // meanwhile
		return nil, errMoved
	case d.logIsCut(): // as another program still has it
		return nil, errCut
	}
	return d, nil
}

// openWriting opens the writer's connection, after another one has brought the
// database to the present version.
func (d *database) openWriting(ctx context.Context, opts settings) (err error) {
	dsn := writerDSN(d.path)
	first, err := connectWhenFree(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, first.Close()) }()
	if err := migrate(ctx, first.Conn, opts.steps); err != nil {
		return err
	}
	if err := useWAL(ctx, first.Conn); err != nil {
		return err
	}
	if d.pageSize, err = pageSizeOf(ctx, first.Conn); err != nil {
		return err
	}
	return untilFree(ctx, func() (err error) {
		if d.writing == nil {
			if d.writing, err = connectDirect(ctx, dsn); err != nil {
				return err
			}
		}
		d.tx, err = prepareTx(d.writing)
		return err
	})
}

// connectWhenFree waits for those who recover the log after a crash.
func connectWhenFree(ctx context.Context, dsn string) (c *connection, err error) {
	err = untilFree(ctx, func() (err error) {
		c, err = connect(ctx, dsn)
		return err
	})
	return c, err
}

// setSynchronous has commits be durable as the value says, from the next one on.
func (d *database) setSynchronous(value string) error {
	if value == d.synchronous {
		return nil
	}
	if err := d.writing.exec(`PRAGMA synchronous = ` + value); err != nil {
		return err
	}
	d.synchronous = value
	return nil
}

// close closes the connections. Those who are reading finish what they read.
func (d *database) close() error {
	var errs []error
	if d.readers != nil {
		errs = append(errs, d.readers.Close())
	}
	if d.lookups != nil {
		errs = append(errs, d.lookups.close(maxLookups))
	}
	if d.checkpoints != nil {
		errs = append(errs, d.checkpoints.Close())
	}
	if d.tx != nil {
		errs = append(errs, d.tx.close())
	}
	if d.writing != nil {
		errs = append(errs, d.writing.Close())
	}
	return errors.Join(errs...)
}

// closeAsItIs closes the connections without the checkpoint that the last of
// them makes of what it takes for the log.
func (d *database) closeAsItIs() error {
	// The last connection is one that may not write.
	last, err := connect(context.Background(), probeDSN(d.path))
	if err != nil {
		return errors.Join(err, d.close())
	}
	_, _ = last.ExecContext(context.Background(), `SELECT count(*) FROM sqlite_schema`) // opens the files, readable or not
	return errors.Join(d.close(), last.Close())
}
