package judge

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// provenPolicy is a policy by which two triplets prove a client; it greylists what comes
// for suspects, and accepts what proven clients send to friends.
func provenPolicy(t testing.TB) *Policy {
	p := newPolicy(t)
	p.Proving = greylist.Proving{After: 2, MaxGrey: p.Windows.MaxGrey}
	short := greylist.Windows{TooSoon: 1, MinDeferTime: 60, MaxDeferTime: 600, MaxGrey: 1200}
	p.Rules = mustCompile(t, rules.Config{Ordered: []rules.Rule{
		{Name: "friends", When: `proven && recipient_local == "friend"`, Then: greylist.Accept},
		{Name: "suspects", When: `recipient_local == "suspect"`, Then: rules.Greylist},
		{Name: "short", When: `recipient_local == "short"`, Then: rules.Greylist, Windows: &short},
	}})
	return p
}

// attemptTo is an attempt of one client.
func attemptTo(local string) greylist.Attempt {
	a := unknownAttempt
	a.Recipient = local + "@example.org"
	return a
}

// pass lets a triplet wait until it passes, an hour after the clock of the court.
func (c *court) pass(t *testing.T, a greylist.Attempt) {
	t.Helper()
	first := c.AtOnce(t.Context(), nil, a)
	c.clock += 3600
	if then := c.AtOnce(t.Context(), nil, a); first.Reason != greylist.ReasonNotSeenBefore || then.Reason != greylist.ReasonNowGrey {
		t.Fatalf("%s, then %s", first.Reason, then.Reason)
	}
}

func (c *court) wantReason(t *testing.T, a greylist.Attempt, want greylist.Reason) {
	t.Helper()
	if got := c.AtOnce(t.Context(), nil, a); got.Reason != want {
		t.Errorf("to %s: %s, want %s", a.Recipient, got.Reason, want)
	}
}

// TestProvenClient follows a client until it is proven, and on.
func TestProvenClient(t *testing.T) {
	c := newCourt(provenPolicy(t))
	c.pass(t, attemptTo("ann"))
	c.wantReason(t, attemptTo("friend"), greylist.ReasonNotSeenBefore)
	c.pass(t, attemptTo("bob"))
	since := c.clock - 3600
	c.wantReason(t, attemptTo("carl"), greylist.ReasonProvenClient)
	c.wantReason(t, attemptTo("ann"), greylist.ReasonProvenClient)
	c.wantReason(t, attemptTo("friend"), "rule:friends")
	c.wantReason(t, attemptTo("suspect"), greylist.ReasonNotSeenBefore)
	c.wantReason(t, greylist.Attempt{Client: greylist.ParseClient("192.0.2.7"), Recipient: "bounces@example.org"}, greylist.ReasonProvenClient)
	other := attemptTo("carl")
	other.Client = greylist.ParseClient("192.0.2.8")
	c.wantReason(t, other, greylist.ReasonNotSeenBefore)

	// It stays so while it sends, also by a rule alone, and costs a write an hour.
	_, before := c.store.Updates()
	for range 1000 {
		c.clock += 3500
		c.wantReason(t, attemptTo("friend"), "rule:friends")
		c.clock += 100
		c.wantReason(t, attemptTo("carl"), greylist.ReasonProvenClient)
	}
	if _, now := c.store.Updates(); now-before > 1001 {
		t.Errorf("%d rows were written in 1000 hours", now-before)
	}
	e, err := c.store.Client(t.Context(), "192.0.2.7")
	if want := (greylist.ClientEntry{FirstPassed: since, CountedAt: since + 3600, Passed: 2, LastSeen: c.clock}); err != nil || e == nil || *e != want {
		t.Errorf("%+v, %v; want %+v", e, err, want)
	}

	c.clock += greylist.DefaultWindows.MaxGrey
	c.wantReason(t, attemptTo("carl"), greylist.ReasonProvenClient)
	c.clock += greylist.DefaultWindows.MaxGrey + 1
	c.wantReason(t, attemptTo("carl"), greylist.ReasonNotSeenBefore)
}

// TestWhatCounts: how many triplets of a client count.
func TestWhatCounts(t *testing.T) {
	passed := func(c *court) int64 {
		e, err := c.store.Client(t.Context(), "192.0.2.7")
		if err != nil || e == nil {
			return 0
		}
		return e.Passed
	}
	for _, test := range []struct {
		name string
		do   func(t *testing.T, c *court)
		want int64
	}{
		{"two, one after the other", func(t *testing.T, c *court) {
			c.pass(t, attemptTo("ann"))
			c.pass(t, attemptTo("bob"))
		}, 2},
		{"many recipients of one message", func(t *testing.T, c *court) {
			for _, again := range []greylist.Reason{greylist.ReasonNotSeenBefore, greylist.ReasonNowGrey} {
				m := new(Message)
				for n := range 9 {
					if got, _ := c.Recipient(t.Context(), m, attemptTo(fmt.Sprint(n))); got.Reason != again {
						t.Errorf("%s, want %s", got.Reason, again)
					}
				}
				c.clock += 3600
			}
		}, 1},
		{"the null sender, at DATA", func(t *testing.T, c *court) {
			a := attemptTo("ann")
			a.Sender = "<>"
			c.pass(t, a)
		}, 1},
		{"a known triplet", func(t *testing.T, c *court) {
			c.pass(t, attemptTo("ann"))
			for range 5 {
				c.clock += 3600
				c.wantReason(t, attemptTo("ann"), greylist.ReasonAlreadyGrey)
			}
		}, 1},
		{"a triplet that waits again after max_grey", func(t *testing.T, c *court) {
			c.pass(t, attemptTo("ann"))
			c.clock += greylist.DefaultWindows.MaxGrey + 1
			c.wantReason(t, attemptTo("ann"), greylist.ReasonGreyTooLong)
			c.clock += 3600
			c.wantReason(t, attemptTo("ann"), greylist.ReasonNowGrey)
		}, 1},
		{"a rule greylists", func(t *testing.T, c *court) {
			c.pass(t, attemptTo("suspect"))
			c.pass(t, attemptTo("ann"))
		}, 2},
		{"a rule greylists with a shorter max_grey", func(t *testing.T, c *court) {
			c.wantReason(t, attemptTo("short"), greylist.ReasonNotSeenBefore)
			c.clock += 60
			c.wantReason(t, attemptTo("short"), greylist.ReasonNowGrey)
		}, 0},
		{"only observed", func(t *testing.T, c *court) {
			p := *c.Policy()
			p.Observe = true
			c.Adopt(&p)
			c.pass(t, attemptTo("ann"))
		}, 0},
		{"off", func(t *testing.T, c *court) {
			p := *c.Policy()
			p.Proving = greylist.Proving{}
			c.Adopt(&p)
			c.pass(t, attemptTo("ann"))
			c.wantReason(t, attemptTo("friend"), greylist.ReasonNotSeenBefore)
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCourt(provenPolicy(t))
			test.do(t, c)
			if got := passed(c); got != test.want {
				t.Errorf("%d triplets count, want %d", got, test.want)
			}
		})
	}
}

// TestProvenClientAndClock: a clock that is set back locks no proven client out and proves none.
func TestProvenClientAndClock(t *testing.T) {
	c := newCourt(provenPolicy(t))
	c.pass(t, attemptTo("ann"))
	c.clock -= 1_000_000
	c.pass(t, attemptTo("bob")) // the count of the future counts as of now
	c.wantReason(t, attemptTo("carl"), greylist.ReasonNotSeenBefore)
	c.pass(t, attemptTo("dora"))
	c.wantReason(t, attemptTo("carl"), greylist.ReasonProvenClient)
	c.clock -= 1_000_000
	c.wantReason(t, attemptTo("carl"), greylist.ReasonProvenClient)
	if e, err := c.store.Client(t.Context(), "192.0.2.7"); err != nil || e == nil || e.LastSeen != c.clock {
		t.Errorf("%+v, %v; want it to be refreshed", e, err)
	}
}

// TestProvenClientIsAskedOnce: all recipients of a message share one look-up.
func TestProvenClientIsAskedOnce(t *testing.T) {
	c := newCourt(provenPolicy(t))
	c.pass(t, attemptTo("ann"))
	c.pass(t, attemptTo("bob"))
	asked := 0
	c.store.Before(func(context.Context) error { asked++; return nil })
	m := new(Message)
	for _, local := range []string{"friend", "carl", "ann", "dora"} {
		if got, _ := c.Recipient(t.Context(), m, attemptTo(local)); got.Verdict != greylist.Accept {
			t.Errorf("to %s: %s", local, got.Reason)
		}
	}
	if asked != 1 {
		t.Errorf("the store was asked %d times for four recipients", asked)
	}
}

// TestProvenClientWhileStoreFails: without an answer of the store, on_error answers. What
// is known to be proven is accepted, also if that cannot be refreshed.
func TestProvenClientWhileStoreFails(t *testing.T) {
	c := newCourt(provenPolicy(t))
	c.pass(t, attemptTo("ann"))
	c.pass(t, attemptTo("bob"))
	c.clock += 7200
	broken := errors.New("broken")
	calls := 0
	c.store.Before(func(context.Context) error {
		if calls++; calls > 1 { // after the look-up
			return broken
		}
		return nil
	})
	c.wantReason(t, attemptTo("carl"), greylist.ReasonProvenClient)
	if since, _ := c.Outage(); since.IsZero() || calls != 2 {
		t.Errorf("%d calls, and an outage since %v", calls, since)
	}
	calls = 0
	c.wantReason(t, attemptTo("carl"), greylist.ReasonProvenClient)
	if calls != 1 {
		t.Errorf("%d calls during an outage", calls)
	}
	c.store.Before(nil)
	c.store.Fail(broken)
	c.wantReason(t, attemptTo("carl"), greylist.ReasonError)
	c.wantReason(t, attemptTo("friend"), greylist.ReasonError)
	c.wantReason(t, attemptTo("suspect"), greylist.ReasonError)
}

// TestProvenClientExplained: explain says what is known of the client, and writes nothing.
func TestProvenClientExplained(t *testing.T) {
	c := newCourt(provenPolicy(t))
	explain := func(want string, reason greylist.Reason) {
		t.Helper()
		x, err := c.Policy().Explain(t.Context(), c.store, attemptTo("carl"), c.clock)
		if got := x.Steps[len(x.Steps)-1]; err != nil || got.Rule != "proven client" || got.Says != want || x.Answer.Reason != reason {
			t.Errorf("%+v, %s, %v; want %q", got, x.Answer.Reason, err, want)
		}
	}
	explain(`"192.0.2.7" has not passed the greylist`, greylist.ReasonNotSeenBefore)
	c.pass(t, attemptTo("ann"))
	explain("192.0.2.7 has passed with 1 triplet since 1970-04-26 18:46:40 UTC; 2 are needed", greylist.ReasonNotSeenBefore)
	c.pass(t, attemptTo("bob"))
	c.clock += 7200
	_, writes := c.store.Updates()
	explain("192.0.2.7 has passed with 2 different triplets since 1970-04-26 18:46:40 UTC, proven", greylist.ReasonProvenClient)
	if _, now := c.store.Updates(); now != writes {
		t.Error("explain wrote something")
	}
	c.clock += greylist.DefaultWindows.MaxGrey
	explain("192.0.2.7 has sent nothing since 1970-04-26 19:46:40 UTC", greylist.ReasonNotSeenBefore)
}
