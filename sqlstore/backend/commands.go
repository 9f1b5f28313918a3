package backend

import (
	"database/sql"
	"errors"
	"sync"

	"greyglass/greylist"
)

// MaxCommands is how many commands are kept that no daemon has logged.
const MaxCommands = 1000

const (
	// RecordCommandSQL adds a command.
	RecordCommandSQL = `INSERT INTO admin_command (at, host, uid, user_name, sudo_user, command) VALUES ($1, $2, $3, $4, $5, $6)`

	// OldCommandsSQL removes all but the newest, as many as $1 says.
	OldCommandsSQL = `DELETE FROM admin_command WHERE id <= (SELECT id FROM admin_command ORDER BY id DESC LIMIT 1 OFFSET $1)`

	// RemoveCommandSQL removes a command by its id.
	RemoveCommandSQL = `DELETE FROM admin_command WHERE id = $1`

	// CommandsSQL returns the commands for [ScanCommands].
	CommandsSQL = `SELECT id, at, host, uid, user_name, sudo_user, command FROM admin_command ORDER BY id`
)

// StoredCommand is a command with its id.
type StoredCommand struct {
	ID int64
	greylist.Command
}

// LoggedCommands are the commands that this program has logged, and not yet removed as far
// as it knows.
type LoggedCommands struct {
	mu  sync.Mutex
	all map[StoredCommand]bool
}

// Add adds a command, and reports whether it is to be logged: it was not added before.
func (l *LoggedCommands) Add(c StoredCommand) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all[c] {
		return false
	}
	if l.all == nil {
		l.all = make(map[StoredCommand]bool)
	}
	l.all[c] = true
	return true
}

// Removed forgets the commands, whose removal is committed: an id may be used again.
func (l *LoggedCommands) Removed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.all)
}

// ScanCommands reads the rows of [CommandsSQL], and closes them.
func ScanCommands(rows *sql.Rows, err error) (all []StoredCommand, _ error) {
	if err != nil {
		return nil, err
	}
	for rows.Next() && err == nil {
		var c StoredCommand
		err = rows.Scan(&c.ID, &c.At, &c.Host, &c.UID, &c.User, &c.Sudo, &c.Words)
		all = append(all, c)
	}
	return all, errors.Join(err, rows.Err(), rows.Close())
}
