package chaos

import "slices"

// The model of the greylist: what DESIGN says of windows and ages, written down a
// second time, and of a memory that is not known for certain. An answer tells
// which of the states that were possible it can come from, and which are
// possible after it.

// windows are the greylist's times, in seconds.
type windows struct{ tooSoon, minDefer, maxDefer, maxGrey int64 }

// step is how stale the time of a passed triplet may be kept.
func (w windows) step() int64 { return min(3600, w.maxGrey/100) }

// state is what may be remembered of a triplet. Its zero value is an unseen one.
type state struct {
	known  bool
	passed bool
	at     int64 // Unix seconds: first_seen if it waits, passed_at if it has passed
	epoch  int   // of the clock, in which that was written
}

// said is an answer of the greylist: the part of it that the log has.
type said struct {
	verdict string
	reason  string
	wait    int64
}

// attempt returns what a triplet in this state is answered at an age, and the
// states that may be remembered then.
func (w windows) attempt(s state, age int64, m moment) (said, []state) {
	waitFromNow := []state{{known: true, at: m.now, epoch: m.epoch}}
	passNow := []state{{known: true, passed: true, at: m.now, epoch: m.epoch}}
	wait := max(w.tooSoon, w.minDefer)
	switch {
	case !s.known:
		return said{"defer", "not-seen-before", wait}, waitFromNow
	case s.passed && age > w.maxGrey:
		return said{"defer", "grey-too-long", wait}, waitFromNow
	case s.passed:
		if step := w.step(); step > 0 && age <= step {
			passNow = append(passNow, s)
		}
		return said{"accept", "already-grey", 0}, passNow
	case age < w.tooSoon:
		return said{"defer", "way-too-soon", wait}, waitFromNow
	case age < w.minDefer:
		if age > 0 {
			return said{"defer", "too-soon", wait - age}, []state{s}
		}
		return said{"defer", "too-soon", wait}, append(waitFromNow, s) // it may have lain in the future
	case age > w.maxDefer:
		return said{"defer", "too-late", wait}, waitFromNow
	}
	return said{"accept", "now-grey", 0}, passNow
}

// expired reports whether a state of this age may have been removed.
func (w windows) expired(s state, age int64) bool {
	if s.passed {
		return age > 2*w.maxGrey
	}
	return s.known && age > 2*w.maxDefer
}

// states is a set of states that are possible.
type states []state

func (ss states) with(more ...state) states {
	for _, s := range more {
		if !slices.Contains(ss, s) {
			ss = append(ss, s)
		}
	}
	return ss
}
