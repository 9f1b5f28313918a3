package main

import (
	"os"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// TestInterruptedInput: a command that waits for standard input ends when it is interrupted.
func TestInterruptedInput(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, c := range []struct {
		args, input string
		status      int
		says        string
	}{
		{"log -", "\n", statusFailed, "greyglass: interrupted\n"},
		{"log --follow -", "\n", statusOK, ""}, // as it is meant to end
		{"replay", "\n", statusFailed, "greyglass: interrupted\n"},
		{"replay", "{", statusFailed, "greyglass: interrupted\n"},
		{"import-config --kind sqlgrey-names -", "\n", statusFailed, "greyglass: interrupted\n"},
	} {
		r := s.interrupted(c.input, func() bool { return true }, strings.Fields(c.args)...)
		if r.status != c.status || r.stderr != c.says {
			t.Errorf("%s after %q: %+v", c.args, c.input, r)
		}
	}
}

// TestFullDisk: whoever writes to a full disk is told so, also by commands that have done their
// work.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	lab.Need(t, err == nil, "this system has no /dev/full")
	defer full.Close()
	s := newSite(t, nil)
	s.serve()
	s.write("mail.log", mailLog)
	for _, args := range []string{
		"explain 203.0.113.7 ann@example.net bob@example.org", "pass 203.0.113.7 ann@example.net bob@example.org",
		"forget 203.0.113.7 ann@example.net bob@example.org", "list", "log mail.log", "stats", "status", "expire", "expect bob@example.org",
		"backup copy.db", "learn mail.log", "forecast mail.log", "import spamd blocked.list", "config", "version", "help", "help list",
	} {
		cmd := s.command(t.Context(), strings.Fields(args)...)
		var stderr strings.Builder
		cmd.Stdout, cmd.Stderr = full, &stderr
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != statusFailed || !strings.Contains(stderr.String(), "greyglass: write /dev/stdout: no space left") {
			t.Errorf("%s: %v, %s", args, err, stderr.String())
		}
	}
}
