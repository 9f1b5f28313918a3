package lookup

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"greyglass/e2e/nameserver"
)

// serve starts a name server, and a resolver that asks it.
func serve(t testing.TB, zone string) (*nameserver.Server, *Resolver) {
	t.Helper()
	s, err := nameserver.Start("127.0.0.1:0", zone)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, resolver(t, Options{Servers: []string{s.Address()}})
}

// resolver makes a resolver, with what tests want where the options say nothing.
func resolver(t testing.TB, o Options) *Resolver {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second // two slow cores
	}
	if o.CacheEntries == 0 {
		o.CacheEntries = 1000
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// isPrintable reports whether a reason may stand in a log and on a terminal.
func isPrintable(why string) bool {
	return strings.IndexFunc(why, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
