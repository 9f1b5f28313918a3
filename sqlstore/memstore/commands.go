package memstore

import (
	"context"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// RecordCommand implements [greylist.Store].
func (s *Store) RecordCommand(ctx context.Context, c greylist.Command) error {
	return s.use(ctx, func() {
		s.commands = append(s.commands, c)
		s.commands = s.commands[max(len(s.commands)-backend.MaxCommands, 0):]
	})
}

// LogCommands implements [greylist.Store].
func (s *Store) LogCommands(ctx context.Context, log func(greylist.Command)) error {
	return s.use(ctx, func() {
		for _, c := range s.commands {
			log(c)
		}
		s.commands = nil
	})
}
