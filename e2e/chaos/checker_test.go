package chaos

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// checker knows what may be answered, and what must be remembered.
type checker struct {
	t       *testing.T
	clock   *wrongClock
	inForce *inForce
	weather *weather

	// gate is held for reading by every question, and for writing while nothing
	// may be asked: when the daemon changes.
	gate sync.RWMutex
	now  *daemon // behind the gate, but see daemon
	mu   sync.Mutex
	gone []expiry

	counts struct {
		sessions, answers, unanswered, onError, rows atomic.Int64
		unlogged                                     atomic.Int64
		restarts, lost, wrong                        atomic.Int64
		slowest                                      atomic.Int64 // answer, in milliseconds
	}
}

// expiry is a run of 'greyglass expire', or of the daemon's own.
type expiry struct{ from, to time.Time }

func (c *checker) daemon() *daemon {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *checker) setDaemon(d *daemon) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = d
}

// expires notes that expired entries are about to be removed, until done is called.
func (c *checker) expires(from time.Time) (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = append(c.gone, expiry{from: from})
	n := len(c.gone) - 1
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.gone[n].to = time.Now()
	}
}

// judge compares a line of the log, which tells an answer, with the model, and
// returns the replies that may go with it.
func (c *checker) judge(q *question, t *triplet, l line, to time.Time) (replies []string) {
	got := said{l.Verdict, l.Reason, l.Wait}
	if t.lost {
		return nil
	}
	c.account(t, q.from, to)
	var after states
	expected := map[said]bool{}
	matches := func(r regime, s said) bool {
		expected[s] = true
		if s == got {
			replies = append(replies, r.reply(got))
		}
		return s == got
	}
	for _, r := range c.inForce.between(q.from, to) {
		if answer, ok := r.rule(&t.envelope); ok {
			if matches(r, answer) {
				after = after.with(t.possible...)
			}
			continue
		}
		failed := got.reason == "error" && matches(r, said{r.onError, "error", 0})
		if failed { // what was to be remembered may be, or not
			after = after.with(t.possible...)
		}
		for _, o := range c.outcomes(t, r, q, to) {
			if failed || matches(r, o.said) {
				after = after.with(o.after...)
			}
		}
	}
	if got.reason == "error" {
		c.counts.onError.Add(1)
		if !c.mayFail(q, to) {
			c.wrong(t, "%s: on_error, without a fault: %s", q.id, l.Error)
		}
	}
	t.note(q.from, to, "%s via %s: %v, then %v", q.id, l.Via, got, after)
	if len(after) == 0 {
		c.wrong(t, "%s: answered %v, may be %v; was %v", q.id, got, slices.Collect(maps.Keys(expected)), t.possible)
	}
	t.possible = after
	return replies
}

// outcome is an answer that is right, and what may be remembered after it.
type outcome struct {
	said
	after states
}

// outcomes are all answers that the greylist can have given by a regime.
func (c *checker) outcomes(t *triplet, r regime, q *question, to time.Time) (all []outcome) {
	for _, m := range c.clock.readings(q.from, to) {
		for _, s := range t.possible {
			for _, age := range c.clock.ages(s.at, s.epoch, q.daemon.born, m) {
				answer, after := r.windows.attempt(s, age, m)
				all = append(all, outcome{r.observed(answer), after})
				if r.windows.expired(s, age) {
					answer, after := r.windows.attempt(state{}, 0, m)
					all = append(all, outcome{r.observed(answer), after})
				}
			}
		}
	}
	return all
}

// observed is what is logged of an answer: in observe mode nothing is deferred.
func (r regime) observed(s said) said {
	if r.observe {
		s.verdict = "accept"
	}
	return s
}

// maybe accounts for a question that may have changed what is remembered.
func (c *checker) maybe(q *question, t *triplet, to time.Time) {
	if t.lost {
		return
	}
	c.account(t, q.from, to)
	after := slices.Clone(t.possible)
	for _, r := range c.inForce.between(q.from, to) {
		if _, ok := r.rule(&t.envelope); ok {
			continue
		}
		for _, o := range c.outcomes(t, r, q, to) {
			after = after.with(o.after...)
		}
	}
	t.possible = after
	t.note(q.from, to, "%s %s: no answer, so %v", q.id, t.recipient, after)
}

// account adds to what is possible that the entry has been removed as expired.
func (c *checker) account(t *triplet, from, until time.Time) {
	c.mu.Lock()
	gone := slices.Clone(c.gone[t.expiries:])
	c.mu.Unlock()
	for _, e := range gone {
		to := e.to
		if to.IsZero() || to.After(until) {
			to = until
		}
		for _, r := range c.inForce.between(e.from, to) {
			for _, m := range c.clock.readings(e.from, to) {
				for _, s := range t.possible {
					if r.windows.expired(s, m.now-s.at) {
						t.possible = t.possible.with(state{})
					}
				}
			}
		}
		if !e.to.IsZero() && e.to.Before(from) {
			t.expiries++
		}
	}
}

// mayFail reports whether the question had a reason to be answered as on_error
// says: a fault, or that it took too long, since this machine may be busy.
func (c *checker) mayFail(q *question, to time.Time) bool {
	return c.weather.storeMayFail(q.from, to) || to.Sub(q.from) > storeTimeout*time.Second
}

func (c *checker) slowest(q *question, to time.Time) {
	if c.weather.felt(q.from, to, stopped) {
		return
	}
	took := to.Sub(q.from).Milliseconds()
	for {
		old := c.counts.slowest.Load()
		if took <= old || c.counts.slowest.CompareAndSwap(old, took) {
			return
		}
	}
}
