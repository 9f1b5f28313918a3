package storetest

import (
	"testing"

	"greyglass/greylist"
)

// testDecide drives every reason and every edge of [greylist.Windows.Decide]
// through the store.
func testDecide(t *testing.T, db Database) {
	const now = 10_000_000
	w := greylist.DefaultWindows // 180, 3600, 25000, 3000000
	step := w.RefreshStep()
	waiting := func(age int64) *greylist.Entry {
		return &greylist.Entry{FirstSeen: now - age, LastSeen: now - age, Deferred: 1}
	}
	passed := func(age int64) *greylist.Entry {
		return &greylist.Entry{FirstSeen: now - age - 5000, LastSeen: now - age, PassedAt: now - age, Deferred: 1, Accepted: 1}
	}
	s := open(t, db)
	for i, test := range []struct {
		name    string
		before  *greylist.Entry
		verdict greylist.Verdict
		reason  greylist.Reason
		after   greylist.Entry
	}{
		{"unseen", nil, greylist.Defer, greylist.ReasonNotSeenBefore,
			greylist.Entry{FirstSeen: now, LastSeen: now, Deferred: 1}},

		{"waiting 0", waiting(0), greylist.Defer, greylist.ReasonWayTooSoon,
			greylist.Entry{FirstSeen: now, LastSeen: now, Deferred: 2}},
		{"waiting 179", waiting(179), greylist.Defer, greylist.ReasonWayTooSoon,
			greylist.Entry{FirstSeen: now, FirstAttempt: now - 179, LastSeen: now, Deferred: 2}},
		{"waiting 180", waiting(180), greylist.Defer, greylist.ReasonTooSoon,
			greylist.Entry{FirstSeen: now - 180, LastSeen: now, Deferred: 2}},
		{"waiting 3599", waiting(3599), greylist.Defer, greylist.ReasonTooSoon,
			greylist.Entry{FirstSeen: now - 3599, LastSeen: now, Deferred: 2}},
		{"waiting 3600", waiting(3600), greylist.Accept, greylist.ReasonNowGrey,
			greylist.Entry{FirstSeen: now - 3600, LastSeen: now, PassedAt: now, Deferred: 1, Accepted: 1}},
		{"waiting 25000", waiting(25000), greylist.Accept, greylist.ReasonNowGrey,
			greylist.Entry{FirstSeen: now - 25000, LastSeen: now, PassedAt: now, Deferred: 1, Accepted: 1}},
		{"waiting 25001", waiting(25001), greylist.Defer, greylist.ReasonTooLate,
			greylist.Entry{FirstSeen: now, FirstAttempt: now - 25001, LastSeen: now, Deferred: 2}},
		{"waiting, clock set back", waiting(-500), greylist.Defer, greylist.ReasonWayTooSoon,
			greylist.Entry{FirstSeen: now, LastSeen: now, Deferred: 2}},

		{"passed 0", passed(0), greylist.Accept, greylist.ReasonAlreadyGrey, *passed(0)},
		{"passed, fresh", passed(step - 1), greylist.Accept, greylist.ReasonAlreadyGrey, *passed(step - 1)},
		{"passed, stale", passed(step), greylist.Accept, greylist.ReasonAlreadyGrey,
			greylist.Entry{FirstSeen: now - step - 5000, LastSeen: now, PassedAt: now, Deferred: 1, Accepted: 2}},
		{"passed 3000000", passed(3000000), greylist.Accept, greylist.ReasonAlreadyGrey,
			greylist.Entry{FirstSeen: now - 3005000, LastSeen: now, PassedAt: now, Deferred: 1, Accepted: 2}},
		{"passed 3000001", passed(3000001), greylist.Defer, greylist.ReasonGreyTooLong,
			greylist.Entry{FirstSeen: now, LastSeen: now, Deferred: 2, Accepted: 1}},
		{"passed, clock set back", passed(-500), greylist.Accept, greylist.ReasonAlreadyGrey,
			greylist.Entry{FirstSeen: now - 4500, LastSeen: now, PassedAt: now, Deferred: 1, Accepted: 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := triplet(i)
			if test.before != nil {
				put(t, s, tr, *test.before)
			}
			d, err := attempt(t.Context(), s, tr, w, now)
			if err != nil {
				t.Fatal(err)
			}
			if d.Verdict != test.verdict || d.Reason != test.reason {
				t.Errorf("%v (%v), want %v (%v)", d.Verdict, d.Reason, test.verdict, test.reason)
			}
			want(t, s, tr, &test.after)
		})
	}
}
