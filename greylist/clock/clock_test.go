package clock

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
)

// twoClocks are a wall clock that can be set, and a monotonic one that cannot.
type twoClocks struct {
	wall      time.Time
	monotonic time.Duration
}

func (c *twoClocks) read() (time.Time, time.Duration) { return c.wall, c.monotonic }
func (c *twoClocks) pass(d time.Duration)             { c.wall = c.wall.Add(d); c.monotonic += d }
func (c *twoClocks) set(by time.Duration)             { c.wall = c.wall.Add(by) }

func newTwoClocks() *twoClocks { return &twoClocks{wall: time.Unix(1_800_000_000, 0)} }

const year = 365 * 24 * time.Hour

// A step forward is not waiting time, and one back locks no sender out, however
// far and however often.
func TestStepsOfTheClock(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []time.Duration // one after the other, a minute apart, while a triplet waits
		want  greylist.Reason // of a retry 400 seconds after the first try, with a wait of 300
		then  greylist.Reason // of one 300 seconds later still
	}{
		{"none", nil, greylist.ReasonNowGrey, greylist.ReasonAlreadyGrey},
		{"slewed by half a minute", []time.Duration{30 * time.Second}, greylist.ReasonNowGrey, greylist.ReasonAlreadyGrey},
		{"an hour forward", []time.Duration{time.Hour}, greylist.ReasonNowGrey, greylist.ReasonAlreadyGrey},
		{"ten years forward", []time.Duration{10 * year}, greylist.ReasonNowGrey, greylist.ReasonAlreadyGrey},
		{"forward twice", []time.Duration{time.Hour, 10 * year}, greylist.ReasonNowGrey, greylist.ReasonAlreadyGrey},
		{"forward and back", []time.Duration{10 * year, -10 * year}, greylist.ReasonNowGrey, greylist.ReasonAlreadyGrey},
		{"forward and half of it back", []time.Duration{time.Hour, -time.Hour / 2}, greylist.ReasonNowGrey, greylist.ReasonAlreadyGrey},
		{"back and further forward", []time.Duration{-time.Hour, 3 * time.Hour}, greylist.ReasonNowGrey, greylist.ReasonAlreadyGrey},
		{"forward, back and forward", []time.Duration{10 * year, -20 * year, 20 * year}, greylist.ReasonNowGrey, greylist.ReasonAlreadyGrey},
		{"forward and further back", []time.Duration{time.Hour, -3 * time.Hour}, greylist.ReasonWayTooSoon, greylist.ReasonNowGrey},
		{"an hour back", []time.Duration{-time.Hour}, greylist.ReasonWayTooSoon, greylist.ReasonNowGrey},
		{"ten years back", []time.Duration{-10 * year}, greylist.ReasonWayTooSoon, greylist.ReasonNowGrey},
		{"back and forward", []time.Duration{-10 * year, 10 * year}, greylist.ReasonNowGrey, greylist.ReasonAlreadyGrey},
	} {
		t.Run(c.name, func(t *testing.T) {
			clocks := newTwoClocks()
			clock := NewOf(clocks.read, slog.New(slog.DiscardHandler))
			w := greylist.Windows{TooSoon: 60, MinDeferTime: 300, MaxDeferTime: 7200, MaxGrey: 86400}
			decide := func(e *greylist.Entry) greylist.Decision {
				now := clock.Now()
				present, _ := clock.Present(e)
				return w.Decide(present, now)
			}
			first := decide(nil).Remember
			left := 400 * time.Second
			for _, by := range c.steps {
				clocks.pass(time.Minute)
				left -= time.Minute
				clocks.set(by)
				clock.Now()
			}
			clocks.pass(left)
			d := decide(&first)
			if d.Reason != c.want {
				t.Errorf("got %s, want %s", d.Reason, c.want)
			}
			clocks.pass(300 * time.Second)
			if d = decide(&d.Remember); d.Reason != c.then {
				t.Errorf("then got %s, want %s", d.Reason, c.then)
			}
		})
	}
}

// Repeated attempts after a step do not prolong the wait.
func TestStepForwardCountsOnce(t *testing.T) {
	clocks := newTwoClocks()
	clock := NewOf(clocks.read, slog.New(slog.DiscardHandler))
	w := greylist.Windows{TooSoon: 60, MinDeferTime: 3600, MaxDeferTime: 25000, MaxGrey: 86400}
	noted := w.Decide(nil, clock.Now()).Remember
	clocks.pass(30 * time.Minute)
	clocks.set(2 * time.Minute)
	for range 29 {
		clocks.pass(time.Minute)
		d := clock.Decide(w, &noted)
		if d.Reason != greylist.ReasonTooSoon {
			t.Fatalf("got %s", d.Reason)
		}
		noted = d.Remember
	}
	clocks.pass(time.Minute)
	if d := clock.Decide(w, &noted); d.Reason != greylist.ReasonNowGrey {
		t.Errorf("after an hour got %s, to wait %d s more", d.Reason, d.Wait)
	}
}

// What is remembered of regulars survives a wrong clock while the daemon runs.
func TestStepForwardKeepsRegulars(t *testing.T) {
	clocks := newTwoClocks()
	clock := NewOf(clocks.read, slog.New(slog.DiscardHandler))
	regular := greylist.PassNow(nil, clock.Now())
	clocks.pass(time.Hour)
	clocks.set(10 * year)
	now := clock.Now()
	present, changed := clock.Present(&regular)
	if d := greylist.DefaultWindows.Decide(present, now); d.Reason != greylist.ReasonAlreadyGrey || !changed {
		t.Errorf("got %s (changed %v)", d.Reason, changed)
	}
	if age := now - present.PassedAt; age != 3600 {
		t.Errorf("an hour has passed, not %d s", age)
	}
	if age := clock.Age(regular.PassedAt); age != 3600 {
		t.Errorf("the age of a time is %d s, not an hour", age)
	}
	if age := clock.Age(now + 60); age != 0 {
		t.Errorf("the age of a time in the future is %d s", age)
	}
	newer := greylist.PassNow(nil, now)
	if _, changed := clock.Present(&newer); changed {
		t.Error("what was remembered after the step is moved too")
	}
}

// The silence that expires an entry is counted as its age is.
func TestPastIsTheOtherWayRound(t *testing.T) {
	for _, steps := range [][]time.Duration{{}, {time.Hour}, {10 * year}, {time.Hour, 10 * year}, {time.Hour, -time.Hour / 2}, {-time.Hour, 3 * time.Hour}} {
		clocks := newTwoClocks()
		clock := NewOf(clocks.read, slog.New(slog.DiscardHandler))
		var remembered []int64 // one a minute
		for _, by := range append(steps, 0) {
			for range 10 {
				clocks.pass(time.Minute)
				remembered = append(remembered, clock.Now())
			}
			clocks.set(by)
			clock.Now()
		}
		for ago := int64(30); ago < 3600; ago += 60 {
			before := clock.Now() - ago
			past := clock.Past(before)
			for _, at := range remembered {
				present, _ := clock.Present(&greylist.Entry{FirstSeen: at})
				if at < past && present.FirstSeen >= before {
					t.Errorf("steps %v: what was %d s ago expires as if older than %d s", steps, clock.Now()-present.FirstSeen, ago)
				}
			}
		}
	}
}

func TestStepIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	clocks := newTwoClocks()
	clock := NewOf(clocks.read, slog.New(slog.NewTextHandler(&log, nil)))
	if _, stepped := clock.SinceStep(); stepped {
		t.Error("stepped at the start")
	}
	clocks.set(time.Hour)
	for range 3 {
		clocks.pass(time.Second)
		clock.Now()
	}
	if n := strings.Count(log.String(), "clock stepped"); n != 1 || !strings.Contains(log.String(), "by=1h0m0s") {
		t.Errorf("logged %d times: %s", n, &log)
	}
	if since, stepped := clock.SinceStep(); !stepped || since != 2*time.Second {
		t.Errorf("stepped %v ago (%v)", since, stepped)
	}
}

// The clock of the machine, read by time.Now, does not step by itself.
func TestClockOfTheMachine(t *testing.T) {
	clock := New(time.Now, slog.New(slog.DiscardHandler))
	before := time.Now().Unix()
	if now := clock.Now(); now < before || now > time.Now().Unix() {
		t.Errorf("the time is %d", now)
	}
	if _, stepped := clock.SinceStep(); stepped {
		t.Error("it has stepped")
	}
}
