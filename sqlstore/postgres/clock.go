package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"greyglass/greylist"
)

const (
	// compareEvery is how often this machine's clock is compared with the server's,
	// besides at each connection.
	compareEvery = time.Minute

	// maxRoundTrip is how long reading the server's clock may take; a slower reading is
	// discarded.
	maxRoundTrip = 2 * time.Second

	// Clocks that differ by more than WarnSkew cause a warning. Beyond ExpirySkew nothing
	// is expired, because the server's clock may be the wrong one.
	WarnSkew   = time.Minute
	ExpirySkew = 5 * time.Minute
)

// clock compares this machine's clock with the server's, by which all daemons that share
// the database decide.
type clock struct {
	log *slog.Logger

	mu     sync.Mutex
	local  time.Time // when they were compared, with its monotonic reading; zero: never
	server time.Time // the server's clock then
	warned bool
}

// compare notes a reading of the server's clock, asked for and answered at these times.
func (c *clock) compare(asked, answered time.Time, seconds float64) {
	if answered.Sub(asked) > maxRoundTrip {
		return
	}
	whole, part := math.Modf(seconds)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.local = asked.Add(answered.Sub(asked) / 2)
	c.server = time.Unix(int64(whole), int64(part*1e9))
	ahead := c.local.Round(0).Sub(c.server)
	switch far := ahead.Abs() > WarnSkew; {
	case far && !c.warned:
		c.log.Warn(eventClocksDiffer,
			"ahead", ahead.Round(time.Second).String(), "no_expiry_above", ExpirySkew.String(), "advice", skewAdvice)
	case !far && c.warned:
		c.log.Info(eventClocksAgree, "ahead", ahead.Round(time.Millisecond).String())
	}
	c.warned = ahead.Abs() > WarnSkew
}

// ahead returns how far this machine's clock is ahead of the server's; false if they have
// not been compared.
func (c *clock) ahead(now time.Time) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.local.IsZero() {
		return 0, false
	}
	server := c.server.Add(now.Sub(c.local)) // by the monotonic clock, which has no steps
	return now.Round(0).Sub(server), true
}

// ClockAhead returns how far this machine's clock is ahead of the server's; false while
// that is not known.
func (s *Store) ClockAhead() (time.Duration, bool) { return s.server.clock.ahead(s.server.now()) }

// MayExpire implements [backend.Database]. If the clocks differ too much, the error wraps
// [greylist.ErrClockSkew].
func (s *Store) MayExpire() error {
	ahead, known := s.ClockAhead()
	if !known || ahead.Abs() <= ExpirySkew {
		return nil
	}
	return &greylist.Fault{Database: s.server.name, Advice: skewAdvice,
		Err: fmt.Errorf("%w: they differ by %v", greylist.ErrClockSkew, ahead.Abs().Round(time.Second))}
}

// compareClocks compares the clocks periodically, until the context ends.
func (s *Store) compareClocks(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(compareEvery):
		}
		asking, cancel := context.WithTimeout(ctx, maxRoundTrip)
		var seconds float64
		asked := s.server.now()
		err := s.pool.QueryRowContext(asking, `SELECT extract(epoch FROM clock_timestamp())::float8`).Scan(&seconds)
		cancel()
		if err == nil {
			s.server.clock.compare(asked, s.server.now(), seconds)
		}
	}
}
