package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
)

// store is a [greylist.Store] in an SQLite file.
type store struct {
	path    string   // absolute, without symbolic links
	readers *sql.DB  // cannot write
	writer  *writer  // makes all changes
	flusher *flusher // has them reach the file itself

	closeOnce sync.Once
	closeErr  error
}

// maxReaders bounds the pool of readers: enough for a person or two beside the
// daemon's own questions.
const maxReaders = 4

// openSQLite opens the database at the path; steps are its [migrations].
func openSQLite(ctx context.Context, path string, create bool, log *slog.Logger, steps []string) (*store, error) {
	keepLocks()
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	path, err := prepareFile(ctx, path, create, steps)
	if err != nil {
		return nil, err
	}
	s := &store{path: path}
	if err := s.start(ctx, log, steps); err != nil {
		return nil, openError(path, err)
	}
	return s, nil
}

// start opens the connections and starts what works on them.
func (s *store) start(ctx context.Context, log *slog.Logger, steps []string) error {
	conn, err := connect(ctx, writerDSN(s.path))
	if err != nil {
		return err
	}
	tx, err := prepareWriting(ctx, conn, steps)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	flushing, err := connect(ctx, flusherDSN(s.path))
	if err != nil {
		return errors.Join(err, tx.close(), conn.Close())
	}
	if s.readers, err = openPool(readerDSN(s.path), maxReaders); err != nil {
		return errors.Join(err, tx.close(), conn.Close(), flushing.Close())
	}
	s.writer = startWriter(conn, tx, log)
	s.flusher = startFlusher(flushing, s.writer, log)
	return nil
}

// prepareWriting brings the database to the present version and mode.
func prepareWriting(ctx context.Context, conn *connection, steps []string) (*tx, error) {
	if err := migrate(ctx, conn.Conn, steps); err != nil {
		return nil, err
	}
	if err := useWAL(ctx, conn.Conn); err != nil {
		return nil, err
	}
	return prepareTx(ctx, conn.Conn)
}

// Close implements [greylist.Store]. The database is then in its file alone,
// unless another program has it open.
func (s *store) Close() error {
	s.closeOnce.Do(func() {
		s.writer.stop()
		s.closeErr = errors.Join(s.flusher.close(), s.readers.Close(), s.writer.close())
	})
	return s.closeErr
}

// closed reports whether Close was called.
func (s *store) closed() bool {
	select {
	case <-s.writer.closing:
		return true
	default:
		return false
	}
}
