package postgres

import (
	"context"
	"database/sql"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// RecordCommand implements [greylist.Store].
func (s *Store) RecordCommand(ctx context.Context, c greylist.Command) error {
	return s.inTransaction(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, backend.RecordCommandSQL, c.At, c.Host, c.UID, c.User, c.Sudo, c.Words); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, backend.OldCommandsSQL, backend.MaxCommands)
		return err
	})
}

// LogCommands implements [greylist.Store]. One daemon locks the commands that it logs, and
// others pass over them.
func (s *Store) LogCommands(ctx context.Context, log func(greylist.Command)) error {
	var any bool
	err := s.run(ctx, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM admin_command)`).Scan(&any)
	})
	if err != nil || !any {
		return err
	}
	err = s.inTransaction(ctx, func(tx *sql.Tx) error {
		all, err := backend.ScanCommands(tx.QueryContext(ctx, backend.CommandsSQL+` FOR UPDATE SKIP LOCKED`))
		if err != nil {
			return err
		}
		for _, c := range all {
			if _, err := tx.ExecContext(ctx, backend.RemoveCommandSQL, c.ID); err != nil {
				return err
			}
			if s.logged.Add(c) {
				log(c.Command)
			}
		}
		return nil
	})
	if err == nil {
		s.logged.Removed()
	}
	return err
}
