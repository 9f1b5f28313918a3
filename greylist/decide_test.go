package greylist

import "testing"

// TestDecide is the greylist's table with all of its edges. Every row starts
// from what is remembered at the time "now" and gives the whole decision.
// decision is a [Decision] about one triplet.
type decision struct {
	Verdict  Verdict
	Reason   Reason
	Remember Entry
	Keep     bool
	Wait     int64
}

func TestDecide(t *testing.T) {
	const now = 10_000_000
	waitingFor := func(age int64) *Entry {
		return &Entry{FirstSeen: now - age, LastSeen: now - age, Deferred: 1}
	}
	passedBefore := func(age int64) *Entry {
		return &Entry{FirstSeen: now - age - 4000, LastSeen: now - age, PassedAt: now - age, Deferred: 1, Accepted: 1}
	}
	// What is remembered afterwards.
	restarted := func(deferred, accepted int64) Entry {
		return Entry{FirstSeen: now, LastSeen: now, Deferred: deferred, Accepted: accepted}
	}
	again := func(age int64) Entry {
		return Entry{FirstSeen: now, FirstAttempt: now - age, LastSeen: now, Deferred: 2}
	}
	unchanged := func(age int64) Entry { return Entry{FirstSeen: now - age, LastSeen: now, Deferred: 2} }
	nowPassed := func(age int64) Entry {
		return Entry{FirstSeen: now - age, LastSeen: now, PassedAt: now, Deferred: 1, Accepted: 1}
	}
	refreshed := func(age int64) Entry {
		return Entry{FirstSeen: now - age - 4000, LastSeen: now, PassedAt: now, Deferred: 1, Accepted: 2}
	}

	std := DefaultWindows
	none := Windows{}
	hasty := Windows{TooSoon: 5, MaxDeferTime: 60, MaxGrey: 600}
	patient := Windows{TooSoon: 100, MinDeferTime: 10, MaxDeferTime: 100, MaxGrey: 50_000}
	frank := Windows{MinDeferTime: 10, MaxDeferTime: 60, MaxGrey: 600}
	never := Windows{TooSoon: 5, MinDeferTime: 10, MaxDeferTime: 60, MaxGrey: 0}

	for _, c := range []struct {
		name       string
		windows    Windows
		remembered *Entry
		want       decision
	}{
		{"unseen", std, nil, decision{Defer, ReasonNotSeenBefore, restarted(1, 0), false, 3600}},

		{"waiting for no time", std, waitingFor(0), decision{Defer, ReasonWayTooSoon, restarted(2, 0), false, 3600}},
		{"waiting for a second", std, waitingFor(1), decision{Defer, ReasonWayTooSoon, again(1), false, 3600}},
		{"one less than too_soon", std, waitingFor(179), decision{Defer, ReasonWayTooSoon, again(179), false, 3600}},
		{"exactly too_soon", std, waitingFor(180), decision{Defer, ReasonTooSoon, unchanged(180), false, 3420}},
		{"one more than too_soon", std, waitingFor(181), decision{Defer, ReasonTooSoon, unchanged(181), false, 3419}},
		{"one less than min_defer_time", std, waitingFor(3599), decision{Defer, ReasonTooSoon, unchanged(3599), false, 1}},
		{"exactly min_defer_time", std, waitingFor(3600), decision{Accept, ReasonNowGrey, nowPassed(3600), false, 0}},
		{"one more than min_defer_time", std, waitingFor(3601), decision{Accept, ReasonNowGrey, nowPassed(3601), false, 0}},
		{"one less than max_defer_time", std, waitingFor(24999), decision{Accept, ReasonNowGrey, nowPassed(24999), false, 0}},
		{"exactly max_defer_time", std, waitingFor(25000), decision{Accept, ReasonNowGrey, nowPassed(25000), false, 0}},
		{"one more than max_defer_time", std, waitingFor(25001), decision{Defer, ReasonTooLate, again(25001), false, 3600}},
		{"waiting since 1970", std, waitingFor(now), decision{Defer, ReasonTooLate, restarted(2, 0), false, 3600}},
		{"waiting since a second from now", std, waitingFor(-1), decision{Defer, ReasonWayTooSoon, restarted(2, 0), false, 3600}},
		{"waiting since years from now", std, waitingFor(-1e9), decision{Defer, ReasonWayTooSoon, restarted(2, 0), false, 3600}},

		{"passed this second", std, passedBefore(0), decision{Accept, ReasonAlreadyGrey, refreshed(0), true, 0}},
		{"passed one less than a refresh step ago", std, passedBefore(3599), decision{Accept, ReasonAlreadyGrey, refreshed(3599), true, 0}},
		{"passed exactly a refresh step ago", std, passedBefore(3600), decision{Accept, ReasonAlreadyGrey, refreshed(3600), false, 0}},
		{"one less than max_grey", std, passedBefore(2999999), decision{Accept, ReasonAlreadyGrey, refreshed(2999999), false, 0}},
		{"exactly max_grey", std, passedBefore(3000000), decision{Accept, ReasonAlreadyGrey, refreshed(3000000), false, 0}},
		{"one more than max_grey", std, passedBefore(3000001), decision{Defer, ReasonGreyTooLong, restarted(2, 1), false, 3600}},
		{"passed a second from now", std, passedBefore(-1), decision{Accept, ReasonAlreadyGrey, refreshed(-1), false, 0}},
		{"passed, and first seen, years from now", std, passedBefore(-1e9), decision{Accept, ReasonAlreadyGrey,
			Entry{FirstSeen: now, LastSeen: now, PassedAt: now, Deferred: 1, Accepted: 2}, false, 0}},

		// Not one window: the second attempt passes, if it comes within the second.
		{"no windows, unseen", none, nil, decision{Defer, ReasonNotSeenBefore, restarted(1, 0), false, 0}},
		{"no windows, in the same second", none, waitingFor(0), decision{Accept, ReasonNowGrey, nowPassed(0), false, 0}},
		{"no windows, a second late", none, waitingFor(1), decision{Defer, ReasonTooLate, again(1), false, 0}},
		{"no windows, passed this second", none, passedBefore(0), decision{Accept, ReasonAlreadyGrey, refreshed(0), false, 0}},
		{"no windows, passed a second ago", none, passedBefore(1), decision{Defer, ReasonGreyTooLong, restarted(2, 1), false, 0}},

		// One window at zero.
		{"no min_defer_time, below too_soon", hasty, waitingFor(4), decision{Defer, ReasonWayTooSoon, again(4), false, 5}},
		{"no min_defer_time, exactly too_soon", hasty, waitingFor(5), decision{Accept, ReasonNowGrey, nowPassed(5), false, 0}},
		{"no too_soon, at once", frank, waitingFor(0), decision{Defer, ReasonTooSoon, unchanged(0), false, 10}},
		{"no too_soon, from the future", frank, waitingFor(-9), decision{Defer, ReasonTooSoon, unchanged(0), false, 10}},
		{"no max_grey, passed a second ago", never, passedBefore(1), decision{Defer, ReasonGreyTooLong, restarted(2, 1), false, 10}},

		// too_soon above min_defer_time is what a retry must wait for.
		{"too_soon rules, unseen", patient, nil, decision{Defer, ReasonNotSeenBefore, restarted(1, 0), false, 100}},
		{"too_soon rules, below", patient, waitingFor(99), decision{Defer, ReasonWayTooSoon, again(99), false, 100}},
		{"too_soon rules, the one second to pass in", patient, waitingFor(100), decision{Accept, ReasonNowGrey, nowPassed(100), false, 0}},
		{"too_soon rules, above", patient, waitingFor(101), decision{Defer, ReasonTooLate, again(101), false, 100}},

		// The refresh step is a hundredth of max_grey, if that is less than an hour.
		{"short max_grey, within the step", patient, passedBefore(499), decision{Accept, ReasonAlreadyGrey, refreshed(499), true, 0}},
		{"short max_grey, at the step", patient, passedBefore(500), decision{Accept, ReasonAlreadyGrey, refreshed(500), false, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before Entry
			if c.remembered != nil {
				before = *c.remembered
			}
			d := c.windows.Decide(c.remembered, now)
			if got := (decision{d.Verdict, d.Reason, d.Remember, d.Keep, d.Wait}); got != c.want || d.Others != nil {
				t.Errorf("\n got %+v\nwant %+v", got, c.want)
			}
			if c.remembered != nil && *c.remembered != before {
				t.Errorf("the entry passed in became %+v", *c.remembered)
			}
		})
	}
}

// TestWaitIsEnough: a deferred sender that comes back when it was told to is
// let through then, and not a second earlier.
func TestWaitIsEnough(t *testing.T) {
	for _, w := range []Windows{
		DefaultWindows,
		{TooSoon: 100, MinDeferTime: 10, MaxDeferTime: 100, MaxGrey: 500},
		{TooSoon: 10, MinDeferTime: 60, MaxDeferTime: 60},
		{MinDeferTime: 60, MaxDeferTime: 600},
	} {
		for age := int64(-2); age <= w.MaxDeferTime+2; age++ {
			const now = 10_000_000
			d := w.Decide(&Entry{FirstSeen: now - age, LastSeen: now - age, Deferred: 1}, now)
			if d.Verdict == Accept {
				if d.Wait != 0 {
					t.Fatalf("%+v: accepted at age %d, yet to wait %d s", w, age, d.Wait)
				}
				continue
			}
			if early := w.Decide(&d.Remember, now+d.Wait-1); early.Verdict != Defer {
				t.Errorf("%+v: deferred at age %d for %d s, accepted a second before", w, age, d.Wait)
			}
			if retry := w.Decide(&d.Remember, now+d.Wait); retry.Verdict != Accept {
				t.Errorf("%+v: deferred at age %d for %d s, but then %s", w, age, d.Wait, retry.Reason)
			}
		}
	}
}

// TestPassNow: a triplet that is let through by hand passes from then on, as
// one does that has waited.
func TestPassNow(t *testing.T) {
	const now = 10_000_000
	for _, c := range []struct {
		name       string
		remembered *Entry
		want       Entry
	}{
		{"unseen", nil, Entry{FirstSeen: now, LastSeen: now, PassedAt: now}},
		{"waiting", &Entry{FirstSeen: now - 9, LastSeen: now - 5, Deferred: 2},
			Entry{FirstSeen: now - 9, LastSeen: now - 5, PassedAt: now, Deferred: 2}},
		{"passed", &Entry{FirstSeen: 1, LastSeen: 2, PassedAt: 2, Deferred: 1, Accepted: 1},
			Entry{FirstSeen: 1, LastSeen: 2, PassedAt: now, Deferred: 1, Accepted: 1}},
		{"from the future", &Entry{FirstSeen: now + 9, LastSeen: now + 9, PassedAt: now + 9},
			Entry{FirstSeen: now, LastSeen: now, PassedAt: now}},
	} {
		e := PassNow(c.remembered, now)
		if e != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, e, c.want)
		}
		if d := DefaultWindows.Decide(&e, now+1); d.Verdict != Accept || d.Reason != ReasonAlreadyGrey {
			t.Errorf("%s: then %s, %s", c.name, d.Verdict, d.Reason)
		} else if d.Keep || !DefaultWindows.Decide(&d.Remember, now+2).Keep {
			t.Errorf("%s: the first acceptance, and no other, must be written", c.name)
		}
	}
}
