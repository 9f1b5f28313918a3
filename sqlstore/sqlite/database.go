package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// database is an open database: all connections to it, and its files.
type database struct {
	path        string      // absolute, without symbolic links
	files       *files      // as they were when it was opened
	index       *walIndex   // for the cache; nil: there is none
	writing     *direct     // the writer's connection
	tx          *tx         // on that connection
	synchronous string      // of that connection
	checkpoints *connection // for checkpoints
	readers     *sql.DB     // read-only
	readerDSN   string      // of the readers
	lookups     lookups     // read-only
	pageSize    int64       // in bytes
	only        onlyReading // by a user who may only read
	refuses     error       // of each change, by such a user; nil: there are all connections
}

// maxReaders bounds the pool of readers, which serves commands and background work.
const maxReaders = 4

// openPath opens the database at the path, or creates one.
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

// openDatabase opens the database at the path that [prepareFile] has returned for asked.
func openDatabase(ctx context.Context, asked, path string, opts settings) (_ *database, err error) {
	if !opts.create && mayOnlyRead(path) {
		return openOnlyRead(ctx, path, len(opts.steps))
	}
	d := &database{path: path, readerDSN: readerDSN(path)}
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
	if d.readers, err = openPool(d.readerDSN, maxReaders); err != nil {
		return nil, err
	}
	if d.lookups, err = openLookups(ctx, path); err != nil {
		return nil, err
	}
	if d.files, err = noteFiles(asked, path); err != nil {
		return nil, err
	}
	if opts.cache > 0 {
		if d.index, err = openIndex(d.files.shmPath, d.files.shmID); err != nil {
			return nil, err
		}
	}
	switch {
	case d.files.databaseID != file: // replaced meanwhile
		return nil, errMoved
	case d.logIsCut(): // while another program has it open
		return nil, errCut
	}
	return d, nil
}

// openWriting migrates the database, then opens the writer's connection.
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
		d.tx = &tx{conn: d.writing}
		return d.tx.prepare()
	})
}

// connectWhenFree connects once no other program is recovering the log after a crash.
func connectWhenFree(ctx context.Context, dsn string) (c *connection, err error) {
	err = untilFree(ctx, func() (err error) {
		c, err = connect(ctx, dsn)
		return err
	})
	return c, err
}

// setSynchronous sets PRAGMA synchronous.
func (d *database) setSynchronous(value string) error {
	if value == d.synchronous {
		return nil
	}
	if err := d.writing.pragma(`PRAGMA synchronous = ` + value); err != nil {
		return err
	}
	d.synchronous = value
	return nil
}

// close closes the connections, after the present reads.
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
	if d.writing != nil {
		errs = append(errs, d.writing.Close())
	}
	return errors.Join(errs...)
}

// closeAsItIs closes the connections without the checkpoint that SQLite makes with the
// last one.
func (d *database) closeAsItIs() error {
	// A read-only connection is closed last.
	last, err := connect(context.Background(), inspectDSN(d.path))
	if err != nil {
		return errors.Join(err, d.close())
	}
	_, _ = last.ExecContext(context.Background(), `SELECT count(*) FROM sqlite_schema`) // opens the files, readable or not
	return errors.Join(d.close(), last.Close())
}
