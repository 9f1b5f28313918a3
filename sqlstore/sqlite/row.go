package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"greyglass/greylist"
)

// row reads the integers of the row, not a triplet's, that a statement finds, and reports
// whether there is one.
func (s *Store) row(ctx context.Context, text string, into []*int64, args ...driver.Value) (found bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	db, err := s.reading()
	if err == nil {
		if current := s.writer.current.Load(); errors.Is(current.err, greylist.ErrDamaged) {
			err = current.err
		}
	}
	if err != nil {
		return false, err
	}
	if found, ok := db.lookups.row(text, into, args...); ok {
		return found, nil
	}
	var fields, values []any
	for _, field := range into {
		fields = append(fields, field)
	}
	for _, arg := range args {
		values = append(values, arg)
	}
	err = db.readers.QueryRowContext(ctx, text, values...).Scan(fields...)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case isCorrupt(err): // the writer finds out what that means
		own, there := make([]int64, len(into)), false // the writer may write there when the caller's time is over
		err = s.writer.do(ctx, func(tx *tx) (err error) {
			var fields []*int64
			for i := range own {
				fields = append(fields, &own[i])
			}
			there, err = tx.conn.first(text, fields, args...)
			return err
		}, nil)
		if err == nil {
			for i, field := range into {
				*field = own[i]
			}
			return there, nil
		}
	}
	return false, s.failed(ctx, err)
}

// row reads the integers of a row, and reports whether there is one; ok is false if it
// cannot be read at once.
func (all lookups) row(text string, into []*int64, args ...driver.Value) (found, ok bool) {
	select {
	case l := <-all:
		defer func() { all <- l }()
		found, err := l.first(text, into, args...)
		return found, err == nil
	default:
		return false, false
	}
}
