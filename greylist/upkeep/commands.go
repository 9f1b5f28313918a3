package upkeep

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"greyglass/greylist"
)

const (
	// commandsEvery is how often commands are logged. With commandsTimeout it is what the
	// manual promises: within two seconds, unless the database takes longer.
	commandsEvery   = time.Second
	commandsTimeout = 5 * time.Second
)

// LogCommands logs who ran which command that changes the database, until the context
// ends. While private returns true, of a command only its name is logged.
func LogCommands(ctx context.Context, store greylist.Store, log *slog.Logger, private func() bool) {
	repeat(ctx, log, eventCommandsFailed, func() (time.Duration, error) {
		limited, cancel := context.WithTimeout(ctx, commandsTimeout)
		defer cancel()
		return commandsEvery, store.LogCommands(limited, func(c greylist.Command) { logCommand(log, c, private()) })
	})
}

func logCommand(log *slog.Logger, c greylist.Command, private bool) {
	words := c.Words
	if private {
		words, _, _ = strings.Cut(words, " ")
	}
	args := []any{"uid", c.UID, "user", c.User}
	if c.Sudo != "" {
		args = append(args, "sudo_user", c.Sudo)
	}
	log.Info(eventAdmin, append(args, "host", c.Host, "command", words, "at", time.Unix(c.At, 0).UTC().Format(time.RFC3339))...)
}
