package lookup

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// namesThatFail is of how many names, one after the other, nothing is found out
	// before DNS is said to fail: of one, that may be the fault of its own servers.
	namesThatFail = 3

	// shortestOutage bounds how many lines those can cause who choose names.
	shortestOutage = time.Minute
)

// outage tells the log when DNS fails and when it works again: one line each,
// however many look-ups fail in between.
type outage struct {
	mu     sync.Mutex
	log    *slog.Logger // nil: nothing is logged
	names  []string     // that failed, while DNS is not said to fail
	since  time.Time    // of the first failure; zero: there is none
	said   time.Time    // when DNS was said to fail; zero: it is not
	failed int          // queries, since then
}

// LogTo sets the log for failures and recoveries of DNS.
func (r *Resolver) LogTo(log *slog.Logger) {
	r.outage.mu.Lock()
	defer r.outage.mu.Unlock()
	r.outage.log = log
}

// Failing returns since when DNS has failed; the zero time if it has not.
func (r *Resolver) Failing() time.Time {
	r.outage.mu.Lock()
	defer r.outage.mu.Unlock()
	if r.outage.said.IsZero() {
		return time.Time{}
	}
	return r.outage.since
}

// note takes the answer to a query.
func (o *outage) note(q question, a answer, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.log == nil {
		return
	}
	works := a.err == nil || isNotFound(a.err)
	switch {
	case works && o.said.IsZero():
		o.names, o.since, o.failed = nil, time.Time{}, 0
	case works && now.Sub(o.said) >= shortestOutage:
		o.log.Info(eventRecovered, "after", now.Sub(o.since).Round(time.Second).String(), "failed_queries", o.failed)
		o.names, o.since, o.said, o.failed = nil, time.Time{}, time.Time{}, 0
	case works:
	default:
		o.fail(q, a, now)
	}
}

func (o *outage) fail(q question, a answer, now time.Time) {
	o.failed++
	if o.since.IsZero() {
		o.since = now
	}
	if !o.said.IsZero() || slices.Contains(o.names, q.name) {
		return
	}
	if o.names = append(o.names, q.name); len(o.names) == namesThatFail {
		o.said = now
		o.log.Warn(eventFailing, "error", a.err.Error())
	}
}
