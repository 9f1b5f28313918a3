package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

const (
	second int64 = 1
	minute       = 60 * second
	hour         = 60 * minute
	day          = 24 * hour
)

// schedule says when a sender's software tries a deferred message again. The zero value
// never does.
type schedule struct {
	list  []int64               // the first retries, in seconds since the first attempt
	wait  func(age int64) int64 // after the list: how long the next wait is, at that age; nil: no more retries
	until int64                 // gives up at that age; 0: at the end of the list
	runs  []int64               // it tries only in a queue run; these are usual intervals, one of them for each host
}

// listed is a schedule of retries at minutes, as in "6:02 29:02 162".
func listed(minutes string) schedule {
	var s schedule
	for _, text := range strings.Fields(minutes) {
		m, sec, _ := strings.Cut(text, ":")
		at, err := strconv.ParseInt(m, 10, 64)
		rest, err2 := strconv.ParseInt("0"+sec, 10, 64)
		if err != nil || err2 != nil {
			panic(fmt.Sprintf("%q is no time in minutes", text))
		}
		s.list = append(s.list, at*minute+rest)
	}
	return s
}

// then goes on after the list, until the age at which the sender gives up.
func (s schedule) then(wait func(age int64) int64, until int64) schedule {
	s.wait, s.until = wait, until
	return s
}

// each waits the same time again and again.
func each(interval int64) func(int64) int64 { return func(int64) int64 { return interval } }

// growing waits as long as the message is old, times factor, within limits.
func growing(factor float64, least, most int64) func(int64) int64 {
	return func(age int64) int64 { return min(max(int64(factor*float64(age)), least), most) }
}

// quadratic is the schedule of qmail and OpenSMTPD: 400 n² seconds.
func quadratic(until int64) schedule {
	s := schedule{until: until}
	for n := int64(1); 400*n*n < until; n++ {
		s.list = append(s.list, 400*n*n)
	}
	return s
}

// eximWait is Exim's usual rule: 15 minutes for 2 hours, then an hour, which grows by
// half each time until it is 16 hours old, then 6 hours.
func eximWait(age int64) int64 {
	switch {
	case age < 2*hour:
		return 15 * minute
	case age < 16*hour:
		return hour + (age-2*hour)/2
	}
	return 6 * hour
}

// queue is the state of one host's queue: when its queue runs are.
type queue struct{ interval, phase int64 }

// newQueue draws the queue of a host.
func (s schedule) newQueue(rng *rand.Rand) queue {
	if len(s.runs) == 0 {
		return queue{}
	}
	interval := s.runs[rng.IntN(len(s.runs))]
	return queue{interval, rng.Int64N(interval)}
}

// next returns when the n-th retry comes (n is 1 or more) of a message whose last attempt
// was at age seconds and whose first was at the time began. It is false if there is none.
func (s schedule) next(n int, age, began int64, q queue) (int64, bool) {
	var due int64
	switch {
	case n <= len(s.list):
		due = s.list[n-1]
	case s.wait != nil:
		due = age + max(s.wait(age), 1)
	default:
		return 0, false
	}
	if q.interval > 0 { // the next queue run after it is due
		if over := (began + due - q.phase) % q.interval; over > 0 {
			due += q.interval - over
		}
	}
	if s.until > 0 && due > s.until {
		return 0, false
	}
	return due, true
}

// hasQueue reports whether the sender goes on for longer than ten minutes.
func (s schedule) hasQueue() bool {
	return s.wait != nil || len(s.list) > 0 && s.list[len(s.list)-1] > 10*minute
}

// retries reports whether the sender tries again at all.
func (s schedule) retries() bool { return s.wait != nil || len(s.list) > 0 }
