package greylist

import (
	"math/rand/v2"
	"testing"
	"time"
)

// These tests play random histories of one triplet. A failure prints the seed
// that plays the same history again.
const histories = 2000

func eachHistory(t *testing.T, play func(t *testing.T, seed uint64, random *rand.Rand)) {
	first := uint64(time.Now().UnixNano())
	for seed := first; seed < first+histories && !t.Failed(); seed++ {
		play(t, seed, rand.New(rand.NewPCG(seed, 0)))
	}
}

// randomWindows are valid windows: too_soon and min_defer_time never exceed
// max_defer_time. Zeros are frequent among them.
func randomWindows(random *rand.Rand) Windows {
	if random.IntN(3) == 0 {
		return DefaultWindows
	}
	upTo := func(n int64) int64 { return max(0, random.Int64N(n+n/4+2)-n/4-1) }
	w := Windows{MaxDeferTime: upTo(5000), MaxGrey: upTo(50_000)}
	w.TooSoon, w.MinDeferTime = upTo(w.MaxDeferTime), upTo(w.MaxDeferTime)
	w.TooSoon, w.MinDeferTime = min(w.TooSoon, w.MaxDeferTime), min(w.MinDeferTime, w.MaxDeferTime)
	return w
}

// randomPause is a time between two attempts: often around one of the windows.
func (w Windows) randomPause(random *rand.Rand) int64 {
	around := []int64{0, w.TooSoon, w.MinDeferTime, w.MaxDeferTime, 2 * w.MaxDeferTime, w.RefreshStep(), w.MaxGrey, 2 * w.MaxGrey}
	pause := around[random.IntN(len(around))] + random.Int64N(5) - 2
	if random.IntN(4) == 0 {
		pause = random.Int64N(3*max(w.MaxGrey, w.MaxDeferTime) + 1)
	}
	return max(pause, 0)
}

// attempt applies a decision as a store does.
func (w Windows) attempt(remembered *Entry, now int64) (Decision, *Entry) {
	d := w.Decide(remembered, now)
	if d.Keep {
		return d, remembered
	}
	return d, &d.Remember
}

// TestExpiryNeverChangesAnAnswer plays each history in two worlds, one of which
// expires entries now and then. The clock may be set back, by no more than the
// shorter of the two windows from where it was at the last expiry.
func TestExpiryNeverChangesAnAnswer(t *testing.T) {
	expired := 0
	eachHistory(t, func(t *testing.T, seed uint64, random *rand.Rand) {
		w := randomWindows(random)
		now := int64(1_000_000_000)
		latestSweep := int64(0)
		var forever, sweeping *Entry
		for step := range 60 {
			now += w.randomPause(random)
			if random.IntN(8) == 0 {
				now -= random.Int64N(3*w.MaxDeferTime + 1)
				now = max(now, latestSweep-min(w.MaxDeferTime, w.MaxGrey))
			}
			if random.IntN(2) == 0 {
				latestSweep = max(latestSweep, now)
				if sweeping != nil && w.Cutoffs(now).Expired(*sweeping) {
					sweeping = nil
					expired++
				}
			}
			if random.IntN(4) == 0 {
				continue // time goes by without an attempt
			}
			var a, b Decision
			a, forever = w.attempt(forever, now)
			b, sweeping = w.attempt(sweeping, now)
			if a.Verdict != b.Verdict || a.Wait != b.Wait || a.Keep != b.Keep || !sameTimes(*forever, *sweeping) || !reasonsMayDiffer(a.Reason, b.Reason) {
				t.Fatalf("seed %d, windows %+v, step %d at %d:\nwithout expiry %+v\n   with expiry %+v", seed, w, step, now, a, b)
			}
		}
	})
	if expired == 0 && !t.Failed() {
		t.Error("nothing ever expired, so nothing was tested")
	}
}

// TestExpiryNeverChangesAnAnswerOfSeveral: nor does it where each attempt has some of
// several identities, in any order.
func TestExpiryNeverChangesAnAnswerOfSeveral(t *testing.T) {
	const identities = 4
	expired := 0
	eachHistory(t, func(t *testing.T, seed uint64, random *rand.Rand) {
		w := randomWindows(random)
		now := int64(1_000_000_000)
		var forever, sweeping [identities]*Entry
		for step := range 60 {
			now += w.randomPause(random)
			for i, e := range sweeping {
				if random.IntN(2) == 0 && e != nil && w.Cutoffs(now).Expired(*e) {
					sweeping[i] = nil
					expired++
				}
			}
			has := random.Perm(identities)[:1+random.IntN(identities)]
			attempt := func(world *[identities]*Entry) Decision {
				remembered := make([]*Entry, len(has))
				for i, identity := range has {
					remembered[i] = world[identity]
				}
				d, used := DecideFirst(remembered, func(e *Entry) Decision { return w.Decide(e, now) })
				if d.Keep = d.Keep && used == 0; !d.Keep {
					world[has[0]] = &d.Remember
				}
				return d
			}
			a, b := attempt(&forever), attempt(&sweeping)
			if a.Verdict != b.Verdict || a.Wait != b.Wait || a.Keep != b.Keep || !sameTimes(*forever[has[0]], *sweeping[has[0]]) ||
				!reasonsMayDiffer(a.Reason, b.Reason) && !(a.Reason.expired() && b.Reason.expired()) {
				t.Fatalf("seed %d, windows %+v, step %d at %d, identities %v:\nwithout expiry %+v\n   with expiry %+v", seed, w, step, now, has, a, b)
			}
		}
	})
	if expired == 0 && !t.Failed() {
		t.Error("nothing ever expired, so nothing was tested")
	}
}

// sameTimes compares what verdicts rest on. The length of the last wait, and
// the counters, may have been forgotten.
func sameTimes(a, b Entry) bool {
	return a.FirstSeen == b.FirstSeen && a.LastSeen == b.LastSeen && a.PassedAt == b.PassedAt
}

// reasonsMayDiffer: a retry that is too late is not-seen-before once the entry has expired.
func reasonsMayDiffer(without, with Reason) bool {
	late := without == ReasonTooLate || without == ReasonGreyTooLong
	return without == with || late && with == ReasonNotSeenBefore
}

// TestNoClockLocksOut: however the clock jumped and whatever was expired, a
// sender that retries regularly, not sooner than too_soon and often enough to
// meet the time between min_defer_time and max_defer_time, is let through within min_defer_time and two
// of its own pauses, and stays so.
func TestNoClockLocksOut(t *testing.T) {
	eachHistory(t, func(t *testing.T, seed uint64, random *rand.Rand) {
		w := randomWindows(random)
		now := int64(10_000_000_000) // far enough from 1970 to be set back often
		var e *Entry
		for range 20 {
			now += w.randomPause(random)
			if random.IntN(3) == 0 {
				now += random.Int64N(400_000_000) - 200_000_000
			}
			if e != nil && random.IntN(4) == 0 && w.Cutoffs(now).Expired(*e) {
				e = nil
			}
			_, e = w.attempt(e, now)
			if e.FirstSeen > now || e.LastSeen > now || e.PassedAt > now {
				t.Fatalf("seed %d, windows %+v: at %d remembered a time in the future: %+v", seed, w, now, *e)
			}
		}
		now -= random.Int64N(400_000_000) // the last jump; from here the clock is right

		longest := w.MaxDeferTime - w.MinDeferTime
		if longest < w.TooSoon {
			return // no sender can be regular enough
		}
		pause := w.TooSoon + random.Int64N(longest-w.TooSoon+1)
		if pause == 0 {
			return // many attempts in one second
		}
		began, passed := now, false
		for now = began + random.Int64N(pause+1); now <= began+w.MinDeferTime+3*pause; now += pause {
			var d Decision
			d, e = w.attempt(e, now)
			switch {
			case d.Verdict == Accept:
				passed = true
			case passed && pause <= w.MaxGrey-w.RefreshStep():
				t.Fatalf("seed %d, windows %+v: passed, then %s at a pause of %d s", seed, w, d.Reason, pause)
			case !passed && now-began > w.MinDeferTime+2*pause:
				t.Fatalf("seed %d, windows %+v: not let through %d s after the clock was set, at a pause of %d s: %+v", seed, w, now-began, pause, *e)
			}
		}
		if !passed {
			t.Fatalf("seed %d, windows %+v: never let through at a pause of %d s", seed, w, pause)
		}
	})
}
