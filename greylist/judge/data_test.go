package judge

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"greyglass/greylist"
)

// pending are recipients that are judged at DATA.
func pending(attempts ...greylist.Attempt) (all []*Pending) {
	for _, a := range attempts {
		all = append(all, &Pending{Attempt: a})
	}
	return all
}

// TestProbesAreLeftToData: mail from the null sender or a prober is not judged,
// remembered or logged at RCPT. A callout ends there.
func TestProbesAreLeftToData(t *testing.T) {
	for _, sender := range []string{"", "<>", "verify@example.net", "<VERIFY@Example.net>", "any@probe.example"} {
		c := newCourt(newPolicy(t))
		a := unknownAttempt
		a.Sender = sender
		got, pending := c.Recipient(t.Context(), nil, a)
		if pending == nil || got != (Answer{Verdict: greylist.Accept}) {
			t.Fatalf("%q: pending %v, %+v", sender, pending, got)
		}
		if updates, _ := c.store.Updates(); updates != 0 || c.log.Len() != 0 {
			t.Errorf("%q: %d updates, logged %q", sender, updates, &c.log)
		}
		if got := c.Data(t.Context(), "", []*Pending{pending}); got.Reason != greylist.ReasonNotSeenBefore || got.Verdict != greylist.Defer {
			t.Errorf("%q at DATA: %+v", sender, got)
		}
		if n := len(c.decisions()); n != 1 {
			t.Errorf("%q: %d lines in the log at DATA", sender, n)
		}
	}
	for _, sender := range []string{"jane@example.com", "verify@example.com", "x@mx.probe.example", `"<>"`} {
		c := newCourt(newPolicy(t))
		a := unknownAttempt
		a.Sender = sender
		if _, pending := c.Recipient(t.Context(), nil, a); pending != nil {
			t.Errorf("%q: left to DATA", sender)
		}
	}
}

// TestMessage: the message is deferred if one of its recipients is, with the
// reply of the longest wait; each recipient is remembered and logged.
func TestMessage(t *testing.T) {
	recipient := func(name string) greylist.Attempt {
		a := unknownAttempt
		a.Sender, a.Recipient = "<>", name+"@example.org"
		return a
	}
	for _, c := range []struct {
		name       string
		recipients string // who was seen when, see below
		want       Answer
		reply      string
		log        []greylist.Reason
	}{
		{"none", "", Answer{Verdict: greylist.Accept}, "", nil},
		{"one unseen", "new",
			Answer{Verdict: greylist.Defer, Reason: greylist.ReasonNotSeenBefore, Wait: 3600}, "1 hour", []greylist.Reason{greylist.ReasonNotSeenBefore}},
		{"one passed", "passed", Answer{Verdict: greylist.Accept, Reason: greylist.ReasonAlreadyGrey}, "", []greylist.Reason{greylist.ReasonAlreadyGrey}},
		{"all passed", "passed ready", Answer{Verdict: greylist.Accept, Reason: greylist.ReasonNowGrey, Delayed: 3600}, "", []greylist.Reason{greylist.ReasonAlreadyGrey, greylist.ReasonNowGrey}},
		{"one of them waits", "passed half ready",
			Answer{Verdict: greylist.Defer, Reason: greylist.ReasonTooSoon, Wait: 1800}, "30 minutes", []greylist.Reason{greylist.ReasonAlreadyGrey, greylist.ReasonTooSoon, greylist.ReasonNowGrey}},
		{"the longest wait, last", "half new",
			Answer{Verdict: greylist.Defer, Reason: greylist.ReasonNotSeenBefore, Wait: 3600}, "1 hour", []greylist.Reason{greylist.ReasonTooSoon, greylist.ReasonNotSeenBefore}},
		{"the longest wait, first", "new half",
			Answer{Verdict: greylist.Defer, Reason: greylist.ReasonNotSeenBefore, Wait: 3600}, "1 hour", []greylist.Reason{greylist.ReasonNotSeenBefore, greylist.ReasonTooSoon}},
		{"the same recipient twice", "new new",
			Answer{Verdict: greylist.Defer, Reason: greylist.ReasonNotSeenBefore, Wait: 3600}, "1 hour", []greylist.Reason{greylist.ReasonNotSeenBefore, greylist.ReasonWayTooSoon}},
	} {
		t.Run(c.name, func(t *testing.T) {
			court := newCourt(newPolicy(t))
			now := court.clock
			for name, e := range map[string]greylist.Entry{
				"half":   {FirstSeen: now - 1800, LastSeen: now - 1800, Deferred: 1},
				"ready":  {FirstSeen: now - 3600, LastSeen: now - 3600, Deferred: 1},
				"passed": {FirstSeen: now - 9000, LastSeen: now - 1, PassedAt: now - 1, Accepted: 1},
			} {
				court.store.Put(t, greylist.Triplet{Client: "192.0.2.7", Sender: "<>", Recipient: name + "@example.org"}, e)
			}
			var attempts []greylist.Attempt
			for _, name := range strings.Fields(c.recipients) {
				attempts = append(attempts, recipient(name))
			}
			if c.reply != "" {
				c.want.Reply = greylist.Reply{Code: 451, Enhanced: "4.7.1", Text: "Greylisted, please try again in " + c.reply}
			}
			got := court.Data(t.Context(), "", pending(attempts...))
			if got.Triplet.Client != "" && got.Triplet.Sender != "<>" {
				t.Errorf("of triplet %v", got.Triplet)
			}
			if got.Triplet = (greylist.Triplet{}); got != c.want {
				t.Errorf("\n got %+v\nwant %+v", got, c.want)
			}
			log := court.decisions()
			if len(log) != len(c.log) {
				t.Fatalf("%d lines in the log, want %d", len(log), len(c.log))
			}
			for i, line := range log {
				for _, want := range []string{"reason=" + string(c.log[i]), "recipient=" + attempts[i].Recipient} {
					if !strings.Contains(line, " "+want+" ") {
						t.Errorf("line %d lacks %s: %s", i, want, line)
					}
				}
			}
		})
	}
}

// TestMessageAfterError: a deferral of the greylist says how long to wait,
// which one for an error can't.
func TestMessageAfterError(t *testing.T) {
	p := newPolicy(t)
	p.OnError = greylist.Defer
	c := newCourt(p)
	nowhere := unknownAttempt
	nowhere.Client = greylist.ParseClient("unknown")
	for _, attempts := range [][]greylist.Attempt{{nowhere, unknownAttempt}, {unknownAttempt, nowhere}} {
		if got := c.Data(t.Context(), "", pending(attempts...)); got.Wait != 3600 {
			t.Errorf("got %+v", got)
		}
	}
}

// TestManyRecipientsShareCommits: a bounce to a thousand recipients, where a commit takes
// 3 ms, is judged within the timeout, because they share commits.
func TestManyRecipientsShareCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const commit = 3 * time.Millisecond
		p := newPolicy(t)
		p.Timeout = 2 * time.Second
		c := newCourt(p)
		c.store.Before(func(context.Context) error { // those that wait at a time share the next commit
			time.Sleep(commit - time.Duration(time.Now().UnixNano())%commit)
			return nil
		})
		var attempts []greylist.Attempt
		for n := range 1000 {
			a := unknownAttempt
			a.Sender, a.Recipient = "<>", fmt.Sprintf("user%d@example.org", n)
			attempts = append(attempts, a)
		}
		began := time.Now()
		got := c.Data(t.Context(), "", pending(attempts...))
		if took := time.Since(began); got.Reason != greylist.ReasonNotSeenBefore || took > p.Timeout/10 {
			t.Errorf("%+v after %v", got, took)
		}
		for i, line := range c.decisions() {
			if !strings.Contains(line, "reason=not-seen-before") || !strings.Contains(line, fmt.Sprintf("recipient=user%d@", i)) {
				t.Fatalf("line %d: %s", i, line)
			}
		}
	})
}
