package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/milter/listen"
)

// Exit statuses, of which 64 and up are those of sysexits.h.
const (
	statusOK       = 0
	statusFailed   = 1
	statusUsage    = 64 // EX_USAGE
	statusDatabase = 75 // EX_TEMPFAIL: systemd and people may try again
	statusConfig   = 78 // EX_CONFIG
)

// usageError is a problem on the command line.
type usageError struct {
	err     error
	command string // whose --help to recommend
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%v; see '%s --help'", e.err, e.command)
}
func (e *usageError) Unwrap() error { return e.err }

// usage makes the usageError of a command.
func usage(cmd *cobra.Command, format string, a ...any) error {
	return &usageError{fmt.Errorf(format, a...), cmd.CommandPath()}
}

// databaseError means that the database cannot be opened.
type databaseError struct{ err error }

func (e *databaseError) Error() string { return e.err.Error() }
func (e *databaseError) Unwrap() error { return e.err }

// report prints the error, if there is one, and returns the exit status.
func (p *program) report(err error) int {
	var usage *usageError
	var problems *config.Problems
	var database *databaseError
	var bad unwell
	switch {
	case err == nil:
		return statusOK
	case errors.As(err, &problems):
		fmt.Fprintln(p.stderr, problems.Error()) // a line each, with file and line
		return statusConfig
	}
	fmt.Fprintf(p.stderr, "greyglass: %s%s\n", inWords(err), accessAdvice(err))
	switch {
	case errors.As(err, &usage):
		return statusUsage
	case errors.As(err, &bad):
		return bad.status()
	case errors.As(err, &database):
		return statusDatabase
	case errors.Is(err, listen.ErrNoGroup):
		return statusConfig
	}
	return statusFailed
}

// inWords is the text of an error, for people, in one line.
func inWords(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
