package sqlite

import (
	"context"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// RecordCommand implements [greylist.Store].
func (s *Store) RecordCommand(ctx context.Context, c greylist.Command) error {
	_, err := s.changeRows(ctx, func(tx *tx) (int64, error) {
		if _, err := tx.change(backend.RecordCommandSQL, c.At, c.Host, c.UID, c.User, c.Sudo, c.Words); err != nil {
			return 0, err
		}
		return tx.change(backend.OldCommandsSQL, int64(backend.MaxCommands))
	})
	return err
}

// LogCommands implements [greylist.Store].
func (s *Store) LogCommands(ctx context.Context, log func(greylist.Command)) error {
	db, err := s.reading()
	if err != nil {
		return err
	}
	all, err := backend.ScanCommands(db.readers.QueryContext(ctx, backend.CommandsSQL))
	if err != nil {
		return s.failed(ctx, err)
	}
	for _, c := range all {
		err := s.writer.do(ctx, func(tx *tx) error {
			removed, err := tx.change(backend.RemoveCommandSQL, c.ID)
			if removed > 0 && s.logged.Add(c) { // another program has not logged it
				log(c.Command)
			}
			return err
		}, nil)
		if err != nil {
			return err
		}
	}
	s.logged.Removed()
	return nil
}
