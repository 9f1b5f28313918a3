// Package web serves the page for those who answer questions about mail: what waits, why,
// and until when. Operators may let mail in, forget and expect.
//
// It has its own listener and limits, and shares nothing with the mail path but the
// database, which it reads by connections that no decision uses. Every request passes the
// checks of guard.go; who asks is found out in viewer.go.
package web

import (
	"context"
	"iter"
	"net/netip"
	"time"

	"greyglass/cmd/greyglass/internal/watch"
	"greyglass/greylist"
	"greyglass/greylist/judge"
)

// Config is how the page is served. [Server] needs no more of the configuration.
type Config struct {
	Listen      string // host:port or systemd:NAME
	Names       []string
	UsersFile   string
	Operators   []string
	TrustHeader string
	Proxies     []netip.Prefix
	Certificate string
	Key         string
}

// Daemon is what the page shows and changes.
type Daemon struct {
	Store  Store
	Policy func() *judge.Policy
	Now    func() int64  // Unix seconds, of the clock that decisions follow
	State  *watch.Daemon // its health
	Recent *Recent       // nil: decisions are not kept

	ConfigFile string           // the file of the configuration
	DNSFails   func() time.Time // since when; the zero time if it does not
}

// Store is the part of a [greylist.Store] that the page needs.
type Store interface {
	greylist.Memory
	List(ctx context.Context, f greylist.Filter) iter.Seq2[greylist.Record, error]
	History(ctx context.Context, since int64) (greylist.History, error)
	Forget(ctx context.Context, t greylist.Triplet) (bool, error)
	Expect(ctx context.Context, e greylist.Expectation) error
	CancelExpected(ctx context.Context, recipient, sender string) (bool, error)
}
