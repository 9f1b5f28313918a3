package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"modernc.org/sqlite"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// direct is a connection of the driver, without database/sql, which would take a third of
// the store's time for each recipient. It keeps each statement that it has prepared. It is
// not safe for concurrent use.
type direct struct {
	driver.Conn
	prepared map[string]*statement // by their texts
}

func connectDirect(ctx context.Context, dsn string) (*direct, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &direct{conn, make(map[string]*statement)}, nil
}

// Close closes the connection. If a statement were left open, SQLite would keep it open.
func (d *direct) Close() (err error) {
	for _, s := range d.prepared {
		err = errors.Join(err, s.Close())
	}
	return errors.Join(err, d.Conn.Close())
}

// pragma runs a PRAGMA that changes a setting. It does so when it is prepared, and so is not
// kept.
func (d *direct) pragma(text string) error {
	s, err := d.Prepare(text)
	if err != nil {
		return err
	}
	_, err = s.(driver.StmtExecContext).ExecContext(context.Background(), nil)
	return errors.Join(err, s.Close())
}

// pagesWritten returns how many pages the connection has written since the last call.
func (d *direct) pagesWritten() int {
	n, _, _ := d.Conn.(sqlite.DBStatus).Status(sqlite.DBStatusCacheWrite, true) // fails only for an unknown operation
	return n
}

// prepare prepares a statement, unless it is prepared already.
func (d *direct) prepare(text string) (*statement, error) {
	if s := d.prepared[text]; s != nil {
		return s, nil
	}
	s, err := d.Prepare(text)
	if err != nil {
		return nil, err
	}
	d.prepared[text] = &statement{Stmt: s, run: s.(driver.StmtExecContext), ask: s.(driver.StmtQueryContext)}
	return d.prepared[text], nil
}

// exec runs a statement, and returns how many rows it has changed.
func (d *direct) exec(text string, args ...any) (changed int64, err error) {
	s, err := d.prepare(text)
	if err != nil {
		return 0, err
	}
	result, err := s.run.ExecContext(context.Background(), s.with(args))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// first reads the integers of the first row of a statement's result, and reports whether
// there is one.
func (d *direct) first(text string, into []*int64, args ...any) (found bool, err error) {
	s, err := d.prepare(text)
	if err != nil {
		return false, err
	}
	return s.first(into, args)
}

// entry returns the entry of the key, or nil.
func (d *direct) entry(k backend.Key) (*greylist.Entry, error) {
	e := new(greylist.Entry)
	found, err := d.first(backend.GetSQL, []*int64{&e.FirstSeen, &e.LastSeen, &e.PassedAt, &e.Deferred, &e.Accepted, &e.FirstAttempt}, k[:])
	if err != nil || !found {
		return nil, err
	}
	return e, nil
}

// statement is a prepared one. Its arguments are int64, bool, string, []byte or nil.
type statement struct {
	driver.Stmt
	run  driver.StmtExecContext
	ask  driver.StmtQueryContext
	args []driver.NamedValue
	row  []driver.Value
}

func (s *statement) with(args []any) []driver.NamedValue {
	s.args = s.args[:0]
	for i, a := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return s.args
}

func (s *statement) first(into []*int64, args []any) (found bool, err error) {
	rows, err := s.ask.QueryContext(context.Background(), s.with(args))
	if err != nil {
		return false, err
	}
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	if len(s.row) != len(into) {
		s.row = make([]driver.Value, len(into))
	}
	switch err := rows.Next(s.row); {
	case err == io.EOF:
		return false, nil
	case err != nil:
		return false, err
	}
	for i, v := range s.row {
		n, ok := v.(int64)
		if !ok {
			return false, fmt.Errorf("column %d holds %T, not an integer", i, v)
		}
		*into[i] = n
	}
	return true, nil
}
