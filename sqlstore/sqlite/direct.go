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
// the store's time for each recipient. It is not safe for concurrent use.
type direct struct{ driver.Conn }

func connectDirect(ctx context.Context, dsn string) (*direct, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &direct{conn}, nil
}

// exec runs a statement once, and discards its result.
func (d *direct) exec(text string) error {
	s, err := d.prepare(text)
	if err != nil {
		return err
	}
	_, err = s.exec()
	return errors.Join(err, s.Close())
}

// pagesWritten returns how many pages the connection has written since the last call.
func (d *direct) pagesWritten() int {
	n, _, _ := d.Conn.(sqlite.DBStatus).Status(sqlite.DBStatusCacheWrite, true) // fails only for an unknown operation
	return n
}

func (d *direct) prepare(text string) (*statement, error) {
	s, err := d.Prepare(text)
	if err != nil {
		return nil, err
	}
	return &statement{Stmt: s, run: s.(driver.StmtExecContext), ask: s.(driver.StmtQueryContext)}, nil
}

// statement is a prepared one. Its arguments are int64, string, []byte or nil.
type statement struct {
	driver.Stmt
	run  driver.StmtExecContext
	ask  driver.StmtQueryContext
	args []driver.NamedValue
	row  []driver.Value
}

func (s *statement) with(args []driver.Value) []driver.NamedValue {
	s.args = s.args[:0]
	for i, a := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return s.args
}

// exec runs the statement, and returns how many rows it has changed.
func (s *statement) exec(args ...driver.Value) (changed int64, err error) {
	result, err := s.run.ExecContext(context.Background(), s.with(args))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// first reads the integers of the result's first row, and reports whether there is
// one.
func (s *statement) first(into []*int64, args ...driver.Value) (found bool, err error) {
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

// entry reads a row of [backend.GetSQL]; nil if there is none.
func (s *statement) entry(k backend.Key) (*greylist.Entry, error) {
	e := new(greylist.Entry)
	found, err := s.first([]*int64{&e.FirstSeen, &e.LastSeen, &e.PassedAt, &e.Deferred, &e.Accepted, &e.FirstAttempt}, k[:])
	if err != nil || !found {
		return nil, err
	}
	return e, nil
}
