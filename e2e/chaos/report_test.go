package chaos

import (
	"fmt"
	"strings"
	"time"
)

const toldOf = 5 // failures in full

// wrong notes an answer that must not be.
func (c *checker) wrong(t *triplet, format string, args ...any) {
	c.failed("WRONG", c.counts.wrong.Add(1), t, format, args...)
}

// lost notes something remembered that is there no more.
func (c *checker) lost(t *triplet, format string, args ...any) {
	c.failed("LOST", c.counts.lost.Add(1), t, format, args...)
}

// failed tells of a failure, with all that is known of the triplet, which is
// not asked about any more. t may be nil.
func (c *checker) failed(what string, n int64, t *triplet, format string, args ...any) {
	if t != nil {
		t.lost = true
	}
	if n > toldOf {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s (seed %d)\n", what, fmt.Sprintf(format, args...), *seed)
	if t != nil {
		fmt.Fprintf(&b, "triplet %+v\n", t.envelope)
		for _, e := range t.history {
			fmt.Fprintf(&b, "  %s to %s: %s\n", e.from.Format(stamp), e.to.Format(stamp), e.what)
		}
	}
	fmt.Fprintf(&b, "the clock:%s\nthe weather:%s\n", c.clock, c.weather.late())
	if d := c.daemon(); d != nil {
		fmt.Fprintf(&b, "the daemon's log:\n%s\n", d.log.tail())
	}
	c.t.Error(b.String())
}

const stamp = "15:04:05.000"

// String is the steps of the clock, the last ones.
func (c *wrongClock) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for i := max(0, len(c.epochs)-8); i < len(c.epochs); i++ {
		fmt.Fprintf(&b, "\n  epoch %d from %s: %+d s", i, c.epochs[i].from.Format(stamp), c.epochs[i].ahead)
	}
	return b.String()
}

// late is the faults of late.
func (w *weather) late() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, s := range w.spells[max(0, len(w.spells)-8):] {
		fmt.Fprintf(&b, "\n  %s to %s: %s", s.from.Format(stamp), s.until.Format(stamp), s.fault)
	}
	return b.String()
}

// String is the counts.
func (c *checker) summary(since time.Time) string {
	n := &c.counts
	return fmt.Sprintf("%.0f s: %d sessions, %d answers checked, %d on_error, %d unanswered, %d unlogged, slowest %d ms, %d rows checked, %d restarts; %s; lost %d, wrong %d",
		time.Since(since).Seconds(), n.sessions.Load(), n.answers.Load(), n.onError.Load(), n.unanswered.Load(), n.unlogged.Load(), n.slowest.Load(),
		n.rows.Load(), n.restarts.Load(), c.weather, n.lost.Load(), n.wrong.Load())
}
