package main

import (
	"fmt"
	"strings"

	"greyglass/cmd/greyglass/internal/watch"
	"greyglass/greylist/address"
)

// unwell is what is not well, the worst first. It is the error of 'greyglass status'.
type unwell []statusProblem

type statusProblem struct {
	text string
	exit int
}

func (t unwell) Error() string { return strings.Join(t.texts(), "; ") }

func (t unwell) texts() []string {
	texts := []string{}
	for _, one := range t {
		texts = append(texts, one.text)
	}
	return texts
}

// status is the exit status: that of the worst.
func (t unwell) status() int {
	if len(t) == 0 {
		return statusOK
	}
	return t[0].exit
}

// unwellBy says what is not well. The error is why the daemon could not be asked.
func unwellBy(s watch.Status, asked error) (t unwell) {
	add := func(exit int, format string, a ...any) {
		t = append(t, statusProblem{fmt.Sprintf(format, a...), exit})
	}
	switch {
	case s.State == watch.NotRunning && mayNotOpen(asked):
		add(statusFailed, "this user may not ask the daemon: %s; use root, or a user in the group of its sockets", inWords(asked))
	case s.State == watch.NotRunning:
		add(statusFailed, "the daemon is not running: nothing answers at its sockets; start it ('systemctl start greyglass'), or see why it ended ('journalctl -u greyglass')")
	case s.State == watch.Starting:
		add(statusFailed, "the daemon is starting")
	case s.State == watch.Stopping:
		add(statusFailed, "the daemon is stopping")
	}
	if db := s.Database; db.Failing {
		how := "unknown triplets are deferred"
		if db.FailingOpen {
			how = "unknown triplets are accepted"
		}
		add(statusDatabase, "the database fails, and %s: %s", how, address.Printable(db.Cause))
	}
	if s.Configuration != nil && s.Configuration.Stale {
		add(statusConfig, "the configuration could not be read again; the daemon keeps the previous one ('greyglass config' says why)")
	}
	for _, list := range s.Lists {
		if list.Stale {
			add(statusConfig, "the list %s could not be read again; the daemon keeps the previous one ('greyglass config' says why)", address.Printable(list.Name))
		}
	}
	return t
}
