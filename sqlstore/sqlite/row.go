package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"greyglass/greylist"
)

// row reads the integers of one row, of a client or a correspondent, and reports whether there
// is one.
func (s *Store) row(ctx context.Context, text string, into []*int64, args ...any) (found bool, err error) {
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
	var fields []any
	for _, field := range into {
		fields = append(fields, field)
	}
	err = s.Read(ctx, func(readers *sql.DB) error {
		err := readers.QueryRowContext(ctx, text, args...).Scan(fields...)
		if found = err == nil; errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return found, err
}

// row reads the integers of a row, and reports whether there is one; ok is false if it
// cannot be read at once.
func (all lookups) row(text string, into []*int64, args ...any) (found, ok bool) {
	select {
	case l := <-all:
		defer func() { all <- l }()
		found, err := l.first(text, into, args...)
		return found, err == nil
	default:
		return false, false
	}
}
