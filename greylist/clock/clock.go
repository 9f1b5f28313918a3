// Package clock reads the wall clock and compensates its steps: a jump of the
// clock must neither count as waiting time (package judge) nor expire entries
// (package upkeep).
package clock

import (
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"greyglass/greylist"
)

const (
	// maxDrift is how far the wall clock may drift from the monotonic clock before
	// the difference counts as a step.
	maxDrift = time.Minute

	// maxSteps bounds how many steps are kept: the newest.
	maxSteps = 16
)

// Clock is the wall clock, compared with the monotonic clock to detect steps.
// After a step forward, the times remembered before it are shifted by the same
// amount, so that a wait of five minutes stays one of five minutes. After a step
// back, [greylist.Windows.Decide] treats times in the future as now. Steps forward
// and back add up. Steps while the daemon is down are not detected.
//
// The list of steps keeps the promise of contrib/faults.md that a step does not
// count as waiting time, for entries from before, between and after several steps
// (TestStepsOfTheClock, TestStepForwardCountsOnce). One sum would shift an entry that was
// written between two steps by both.
type Clock struct {
	read func() (wall time.Time, monotonic time.Duration)
	log  *slog.Logger

	mu      sync.Mutex
	ahead   func() time.Duration // how far this machine's clock is ahead of the database server's; nil: no server
	drift   time.Duration        // wall clock minus monotonic clock, as of the last step
	steps   []step               // oldest first
	stepped time.Duration        // monotonic time of the last step; zero if none
}

// step is a step of the wall clock, in Unix seconds before and after it.
type step struct{ from, to int64 }

func (s step) by() int64 { return s.to - s.from }

// New makes a clock that reads now, which is [time.Now] outside tests. If its
// times have no monotonic reading, no step is detected.
func New(now func() time.Time, log *slog.Logger) *Clock {
	start := now()
	return NewOf(func() (time.Time, time.Duration) {
		t := now()
		return t.Round(0), t.Sub(start)
	}, log)
}

// NewOf makes a clock of a wall clock and a monotonic clock that are read together.
func NewOf(read func() (wall time.Time, monotonic time.Duration), log *slog.Logger) *Clock {
	c := &Clock{read: read, log: log}
	wall, monotonic := read()
	c.drift = sinceEpoch(wall) - monotonic
	return c
}

// sinceEpoch is exact for the years 1678 to 2262.
func sinceEpoch(wall time.Time) time.Duration { return time.Duration(wall.UnixNano()) }

// Follow switches to the clock of a database server, given how far this machine's
// clock is ahead of it. The switch does not count as a step.
func (c *Clock) Follow(ahead func() time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = ahead
	wall, monotonic := c.reading()
	c.drift = sinceEpoch(wall) - monotonic
}

// reading reads the clocks. The caller holds the lock.
func (c *Clock) reading() (wall time.Time, monotonic time.Duration) {
	wall, monotonic = c.read()
	if c.ahead != nil {
		wall = wall.Add(-c.ahead())
	}
	return wall, monotonic
}

// Now returns the time in Unix seconds, and detects steps of the wall clock.
func (c *Clock) Now() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, monotonic := c.reading()
	drift := sinceEpoch(wall) - monotonic
	if by := drift - c.drift; by > maxDrift || by < -maxDrift {
		c.step(wall, monotonic, by)
		c.drift = drift
	}
	return wall.Unix()
}

// step notes a step of the wall clock to wall.
func (c *Clock) step(wall time.Time, monotonic time.Duration, by time.Duration) {
	c.log.Warn(eventStepped,
		"by", by.Round(time.Second).String(), "from", wall.Add(-by).UTC().Format(time.RFC3339), "to", wall.UTC().Format(time.RFC3339))
	c.stepped = max(monotonic, 1)
	c.steps = append(c.steps, step{from: wall.Add(-by).Unix(), to: wall.Unix()})
	if len(c.steps) > maxSteps {
		c.steps = c.steps[1:]
	}
}

// Present returns the entry with its times shifted by the steps since then, and
// whether that changes them. The entry itself stays as it is.
func (c *Clock) Present(e *greylist.Entry) (present *greylist.Entry, changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e == nil || len(c.steps) == 0 {
		return e, false
	}
	moved := *e
	for _, t := range []*int64{&moved.FirstSeen, &moved.LastSeen, &moved.PassedAt} {
		if *t != 0 {
			*t += c.stepsSince(*t)
		}
	}
	return &moved, moved != *e
}

// Decide calls [greylist.Windows.Decide] with the entry as [Clock.Present] returns it.
func (c *Clock) Decide(w greylist.Windows, remembered *greylist.Entry) greylist.Decision {
	now := c.Now()
	present, moved := c.Present(remembered)
	d := w.Decide(present, now)
	if !moved {
		return d
	}
	// A wait that goes on is stored unshifted: the next Present shifts it again.
	if e := &d.Remember; !e.Passed() && e.FirstSeen == present.FirstSeen && e.FirstSeen < e.LastSeen {
		e.FirstSeen = remembered.FirstSeen
	}
	d.Keep = false
	return d
}

// Age is a [greylist.Age] by the present time. Steps do not count.
func (c *Clock) Age(t int64) int64 {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(now-t-c.stepsSince(t), 0)
}

// stepsSince returns by how much steps have moved the clock forward in total since
// it last read t; if it never read t, since the first step.
func (c *Clock) stepsSince(t int64) (by int64) {
	until := int64(math.MaxInt64) // the end of the period after the step
	for _, s := range slices.Backward(c.steps) {
		if s.to <= t && t <= until {
			break
		}
		by += s.by()
		until = s.from
	}
	return max(by, 0)
}

// Past returns the latest time such that every entry from before it is, as
// [Clock.Present] returns it, from before t.
func (c *Clock) Past(t int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var by, most int64
	for _, s := range slices.Backward(c.steps) {
		if s.to <= t-most {
			break
		}
		by += s.by()
		most = max(most, by)
	}
	return t - most
}

// SinceStep returns how long ago the clock last stepped, and whether it did.
func (c *Clock) SinceStep() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, monotonic := c.read()
	return monotonic - c.stepped, c.stepped != 0
}
