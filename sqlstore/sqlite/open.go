package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// opened is a database that is open: all connections to it, and its files.
type opened struct {
	path     string      // absolute, without symbolic links
	files    *files      // as they were then
	writing  *direct     // the writer's
	tx       *tx         // on that
	flushing *connection // for checkpoints
	readers  *sql.DB     // cannot write
	lookers  *lookers    // nor can they
	log      *commitLog  // the writer's
	pageSize int64       // in bytes
}

// maxReaders bounds the pool of readers: enough for a person or two beside the
// daemon's own questions.
const maxReaders = 4

// openDatabase opens the database that [prepareFile] has found at the path,
// which was asked for by another name.
func openDatabase(ctx context.Context, asked, path string, opts settings) (_ *opened, err error) {
	o := &opened{path: path}
	database, _, err := identify(asked)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.close())
		}
	}()
	if err = o.openWriting(ctx, opts); err != nil {
		return nil, err
	}
	if o.flushing, err = connectWhenFree(ctx, flusherDSN(path)); err != nil {
		return nil, err
	}
	if o.readers, err = openPool(readerDSN(path), maxReaders); err != nil {
		return nil, err
	}
	if o.lookers, err = openLookers(ctx, path); err != nil {
		return nil, err
	}
	if o.log, err = openLog(path); err != nil {
		return nil, err
	}
	if o.files, err = lookAt(asked, path); err != nil {
		return nil, err
	}
	log, err := o.log.identity()
	switch {
	case err != nil:
	case o.files.database != database: // meanwhile
		err = errMoved
	case o.files.wal != log:
		err = errBeside
	}
	return o, err
}

// openWriting opens the writer's connection, after another one has brought the
// database to the present version.
func (o *opened) openWriting(ctx context.Context, opts settings) (err error) {
	dsn := writerDSN(o.path)
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
	if o.pageSize, err = pageSizeOf(ctx, first.Conn); err != nil {
		return err
	}
	return untilFree(ctx, func() (err error) {
		if o.writing == nil {
			if o.writing, err = connectDirect(ctx, dsn); err != nil {
				return err
			}
		}
		o.tx, err = prepareTx(o.writing)
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

// close closes the connections. Those who are reading finish what they read.
func (o *opened) close() error {
	var errs []error
	if o.log != nil {
		errs = append(errs, o.log.Close())
	}
	if o.readers != nil {
		errs = append(errs, o.readers.Close())
	}
	if o.lookers != nil {
		errs = append(errs, o.lookers.close())
	}
	if o.flushing != nil {
		errs = append(errs, o.flushing.Close())
	}
	if o.tx != nil {
		errs = append(errs, o.tx.close())
	}
	if o.writing != nil {
		errs = append(errs, o.writing.Close())
	}
	return errors.Join(errs...)
}

// closeAsItIs closes the connections without the checkpoint that the last of
// them makes of what it takes for the log.
func (o *opened) closeAsItIs() error {
	// The last connection is one that may not write.
	last, err := connect(context.Background(), probeDSN(o.path))
	if err != nil {
		return errors.Join(err, o.close())
	}
	_, _ = last.ExecContext(context.Background(), `SELECT count(*) FROM sqlite_schema`) // opens the files, readable or not
	return errors.Join(o.close(), last.Close())
}
