package chaos

import (
	"strconv"
	"sync"
	"time"

	"greyglass/e2e/lab"
)

// wrongClock is the wall clock by which the program lives: the real one, and so
// many seconds more, as a file says that its chaos build reads.
type wrongClock struct {
	file string

	mu     sync.Mutex
	epochs []epoch
}

// epoch is a time between two steps of the clock.
type epoch struct {
	ahead int64     // seconds
	from  time.Time // no reading of the clock before this is of the epoch
	until time.Time // none after this is; zero for the present one
}

// moment is a reading of the clock, in Unix seconds.
type moment struct {
	now   int64
	epoch int
}

func newWrongClock(file string) (*wrongClock, error) {
	c := &wrongClock{file: file}
	return c, c.set(0)
}

// set makes a step.
func (c *wrongClock) set(ahead int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := time.Now()
	err := lab.ReplaceFile(c.file, strconv.FormatInt(ahead, 10))
	if n := len(c.epochs); n > 0 {
		c.epochs[n-1].until = time.Now()
	}
	c.epochs = append(c.epochs, epoch{ahead: ahead, from: before})
	return err
}

// readings are all that a clock which was read between two real times can have said.
func (c *wrongClock) readings(from, to time.Time) (all []moment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.epochs) - 1; i >= 0; i-- {
		e := c.epochs[i]
		if !e.until.IsZero() && e.until.Before(from) {
			break
		}
		first, last := from, to
		if first.Before(e.from) {
			first = e.from
		}
		if !e.until.IsZero() && last.After(e.until) {
			last = e.until
		}
		for s := first.Unix(); s <= last.Unix(); s++ {
			all = append(all, moment{s + e.ahead, i})
		}
	}
	return all
}

// present is the epoch that the clock is in.
func (c *wrongClock) present() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.epochs) - 1
}

// ahead is how far ahead the clock is in an epoch.
func (c *wrongClock) ahead(epoch int) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epochs[epoch].ahead
}

// believed is a step of so many seconds forward from which on the daemon takes
// the clock to have been set, rather than corrected.
const believed = 60

// ages are the ages that a time, remembered in an epoch, may have by rights
// at a moment, to a daemon that was started in the epoch born. Across a restart
// the wall clock is believed; while it runs, no step forward counts as waiting;
// and a time in the future is now.
func (c *wrongClock) ages(at int64, remembered, born int, m moment) []int64 {
	since := max(remembered, born)
	age := m.now - at
	step := c.ahead(m.epoch) - c.ahead(since)
	if step <= believed {
		return []int64{max(age, 0)}
	}
	ages := []int64{max(age-step, 0), max(age-step-1, 0), max(age-step+1, 0)} // steps are in whole seconds
	if remembered < born && c.ahead(remembered) > c.ahead(born) {
		ages = append(ages, max(age, 0)) // it lay in the future already
	}
	return ages
}
