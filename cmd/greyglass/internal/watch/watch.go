// Package watch serves metrics for Prometheus and health checks by HTTP. It changes
// nothing, and reveals no addresses.
package watch

import (
	"time"

	"greyglass/greylist"
	"greyglass/greylist/judge"
	"greyglass/milter/listen"
	"greyglass/sqlstore"
)

// Daemon is what the server reports about a daemon that serves.
type Daemon struct {
	Judge     *judge.Judge
	Limiters  []*listen.Limiter
	Store     greylist.Store
	StoreName string // without a password
	Rows      *Rows
	Recent    Recent
	Files     *Files
	MaxRows   func() int64 // store.max_rows
	LogLost   func() int64 // dropped lines of the log
	Started   time.Time
	Listening []string // addresses

	// Upkeep says when the last sweep ended, and how many rows were counted last, as
	// upkeep.Expirer does.
	Upkeep interface {
		Swept() int64
		Rows() *int64
	}
	Profile func() string // greylist.profile
}

// Failing reports whether the database fails, and whether mail is then accepted.
func (d *Daemon) Failing() (failing, open bool) {
	since, _ := d.Judge.Outage()
	n, _ := sqlstore.NumbersOf(d.Store) // the store may know before an answer fails
	failing = n.Unavailable || !since.IsZero()
	return failing, failing && d.Judge.Policy().OnError == greylist.Accept
}
