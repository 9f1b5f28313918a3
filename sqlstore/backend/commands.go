package backend

import (
	"context"
	"database/sql"
	"sync"

	"greyglass/greylist"
)

// MaxCommands is how many commands are kept that no daemon has logged.
const MaxCommands = 1000

// RecordCommand implements [greylist.Store].
func (c *Common) RecordCommand(ctx context.Context, r greylist.Command) error {
	_, err := c.db.Change(ctx, func(tx Transaction) (int64, error) {
		if _, err := tx.Change(`INSERT INTO admin_command (at, host, uid, user_name, sudo_user, command) VALUES ($1, $2, $3, $4, $5, $6)`,
			r.At, r.Host, r.UID, r.User, r.Sudo, r.Words); err != nil {
			return 0, err
		}
		return tx.Change(`DELETE FROM admin_command WHERE id <= (SELECT id FROM admin_command ORDER BY id DESC LIMIT 1 OFFSET $1)`, int64(MaxCommands))
	})
	return err
}

// LogCommands implements [greylist.Store]. Of the programs that log at the same time, one
// removes a command, and logs it.
func (c *Common) LogCommands(ctx context.Context, log func(greylist.Command)) error {
	var all []storedCommand
	err := c.db.Read(ctx, func(db *sql.DB) (err error) {
		all, err = queryAll(ctx, db, func(s *storedCommand) []any {
			return []any{&s.id, &s.At, &s.Host, &s.UID, &s.User, &s.Sudo, &s.Words}
		}, `SELECT id, at, host, uid, user_name, sudo_user, command FROM admin_command ORDER BY id`)
		return err
	})
	if err != nil || len(all) == 0 {
		return err
	}
	_, err = c.db.Change(ctx, func(tx Transaction) (int64, error) {
		for _, stored := range all {
			// An id is used again: by then it may be another command's.
			removed, err := tx.Change(`DELETE FROM admin_command WHERE id IN
				(SELECT id FROM admin_command WHERE id = $1 AND at = $2 AND command = $3`+c.skipLocked+`)`, stored.id, stored.At, stored.Words)
			if err != nil {
				return 0, err
			}
			if removed > 0 && c.logged.add(stored) {
				log(stored.Command)
			}
		}
		return 0, nil
	})
	if err == nil {
		c.logged.removed()
	}
	return err
}

// storedCommand is a command with its id.
type storedCommand struct {
	id int64
	greylist.Command
}

// loggedCommands are the commands that this program has logged, and not yet removed as far
// as it knows.
type loggedCommands struct {
	mu  sync.Mutex
	all map[storedCommand]bool
}

// add adds a command, and reports whether it is to be logged: it was not added before.
func (l *loggedCommands) add(c storedCommand) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all[c] {
		return false
	}
	if l.all == nil {
		l.all = make(map[storedCommand]bool)
	}
	l.all[c] = true
	return true
}

// removed forgets the commands, whose removal is committed: an id may be used again.
func (l *loggedCommands) removed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.all)
}
