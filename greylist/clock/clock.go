// Package clock is the wall clock, and what its steps do to remembered times. It
// stands below judge and upkeep because both need it: one moves what is remembered
// along with a step, the other must not expire what a step made look old. So upkeep
// imports judge, for its counters, and judge imports nothing of upkeep.
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
	// maxDrift is how far wall clock and monotonic clock may part, by however many
	// small corrections, before that counts as a step of the wall clock.
	maxDrift = time.Minute

	// maxSteps bounds how many steps are remembered, the newest of them.
	maxSteps = 16
)

// Clock is the wall clock, as far as it can be believed while the daemon runs.
// It watches it against the monotonic clock. When somebody, or an unsteady
// machine, sets it forward by an hour, nobody has waited for an hour: what was
// remembered before the step is moved along with it, so that the step neither
// lets a flood of strangers in nor makes strangers of everybody. A step back
// needs nothing of the kind, see [greylist.Windows.Decide]; of several steps, there and
// back, it is the sum that counts. Across a restart the wall clock is believed.
type Clock struct {
	read func() (wall time.Time, monotonic time.Duration)
	log  *slog.Logger

	mu      sync.Mutex
	ahead   func() time.Duration // of this machine's clock, before the server's; nil: there is no server
	drift   time.Duration        // of the wall clock against the monotonic one, as of the last step
	steps   []step               // the oldest first
	stepped time.Duration        // monotonic time of the last step, either way; zero if none
}

// step is a step of the wall clock, forward or back: when it was, by the old time
// and by the new one, in Unix seconds.
type step struct{ from, to int64 }

func (s step) by() int64 { return s.to - s.from }

// NewClock makes a clock that reads the time by now: [time.Now], but in tests.
// Without a monotonic reading in its times, as in tests, every step is believed.
func New(now func() time.Time, log *slog.Logger) *Clock {
	start := now()
	return NewOf(func() (time.Time, time.Duration) {
		t := now()
		return t.Round(0), t.Sub(start)
	}, log)
}

// NewClockOf makes a clock of two that are read together.
func NewOf(read func() (wall time.Time, monotonic time.Duration), log *slog.Logger) *Clock {
	c := &Clock{read: read, log: log}
	wall, monotonic := read()
	c.drift = sinceEpoch(wall) - monotonic
	return c
}

// sinceEpoch is exact for the years 1678 to 2262.
func sinceEpoch(wall time.Time) time.Duration { return time.Duration(wall.UnixNano()) }

// Follow makes the clock that of a server, of which this machine's is ahead by so much. To
// change from one clock to the other is no step.
func (c *Clock) Follow(ahead func() time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = ahead
	wall, monotonic := c.reading()
	c.drift = sinceEpoch(wall) - monotonic
}

// reading is what the clocks say. The caller holds the lock.
func (c *Clock) reading() (wall time.Time, monotonic time.Duration) {
	wall, monotonic = c.read()
	if c.ahead != nil {
		wall = wall.Add(-c.ahead())
	}
	return wall, monotonic
}

// Now returns the time in Unix seconds. It notes a step of the wall clock when
// it is first read after it.
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

// step notes a step of the wall clock, which now says wall.
func (c *Clock) step(wall time.Time, monotonic time.Duration, by time.Duration) {
	c.log.Warn("the clock was set; what is remembered is judged as if it had not been, and expiry pauses",
		"by", by.Round(time.Second).String(), "from", wall.Add(-by).UTC().Format(time.RFC3339), "to", wall.UTC().Format(time.RFC3339))
	c.stepped = max(monotonic, 1)
	c.steps = append(c.steps, step{from: wall.Add(-by).Unix(), to: wall.Unix()})
	if len(c.steps) > maxSteps {
		c.steps = c.steps[1:]
	}
}

// Present returns an entry's times as they would be had the clock always stood
// as it stands now, and whether that changes them. The entry is not changed.
func (c *Clock) Present(e *greylist.Entry) (present *greylist.Entry, changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e == nil || len(c.steps) == 0 {
		return e, false
	}
	moved := *e
	for _, t := range []*int64{&moved.FirstSeen, &moved.LastSeen, &moved.PassedAt} {
		if *t != 0 {
			*t += c.setSince(*t)
		}
	}
	return &moved, moved != *e
}

// Decide is [greylist.Windows.Decide] with the entry as [Clock.Present] shows it.
func (c *Clock) Decide(w greylist.Windows, remembered *greylist.Entry) greylist.Decision {
	now := c.Now()
	present, moved := c.Present(remembered)
	d := w.Decide(present, now)
	if !moved {
		return d
	}
	// A wait that goes on is remembered as it stands: what Present showed would be
	// moved once more the next time.
	if e := &d.Remember; !e.Passed() && e.FirstSeen == present.FirstSeen && e.FirstSeen < e.LastSeen {
		e.FirstSeen = remembered.FirstSeen
	}
	d.Keep = false
	return d
}

// setSince is by how much the clock has been set forward, all in all, since it
// said t: since the last time, if it did so more than once, and since the first
// step, if it never did.
func (c *Clock) setSince(t int64) (by int64) {
	until := int64(math.MaxInt64) // the end of the time after the step that is looked at
	for _, s := range slices.Backward(c.steps) {
		if s.to <= t && t <= until {
			break
		}
		by += s.by()
		until = s.from
	}
	return max(by, 0)
}

// Past returns a time, as early as it must be, so that all that was remembered
// before it is, as [Clock.Present] shows it, earlier than t.
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

// SinceStep returns how long ago the clock was last set, and whether it was.
func (c *Clock) SinceStep() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, monotonic := c.read()
	return monotonic - c.stepped, c.stepped != 0
}
