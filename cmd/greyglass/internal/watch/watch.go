// Package watch lets others watch the daemon: numbers for Prometheus and
// answers to whether it is well, by HTTP. It only looks: nothing that it is
// asked changes anything, or says whose mail there is.
package watch

import (
	"time"

	"greyglass/greylist"
	"greyglass/greylist/judge"
	"greyglass/milter/listen"
	"greyglass/sqlstore"
)

// Daemon is what is watched of a daemon that serves.
type Daemon struct {
	Judge     *judge.Judge
	Limiters  []*listen.Limiter
	Store     greylist.Store
	Rows      *Rows
	Files     *Files
	MaxRows   func() int64 // store.max_rows, at the time
	LogLost   func() int64 // lines of the log that were dropped
	Started   time.Time
	Listening []string // on what, for people
}

// failing reports whether the memory fails, and whether mail goes on meanwhile.
func (d *Daemon) failing() (failing, open bool) {
	since, _ := d.Judge.Outage()
	n, _ := sqlstore.NumbersOf(d.Store) // it may know before anybody has asked
	failing = n.Away || !since.IsZero()
	return failing, failing && d.Judge.Policy().OnError == greylist.Accept
}
