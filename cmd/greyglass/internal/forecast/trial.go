package forecast

import (
	"context"
	"log/slog"
	"math"
	"time"

	"greyglass/cmd/greyglass/internal/report"
	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/greylist/judge"
)

// Counts say what mail is answered at its first attempt.
type Counts struct {
	Messages int64 `json:"messages"`
	Accepted int64 `json:"accepted"`
	Deferred int64 `json:"deferred"` // by the greylist
	Refused  int64 `json:"refused"`  // deferred or denied by rules
}

// add counts a first attempt.
func (c *Counts) add(a judge.Answer) {
	c.Messages++
	switch {
	case a.Verdict == greylist.Accept:
		c.Accepted++
	case a.Reason.Greylist():
		c.Deferred++
	default:
		c.Refused++
	}
}

// Outcome is what a configuration does to the mail of a log.
type Outcome struct {
	Name      string `json:"name"`
	Delivered Counts `json:"delivered"`
	Rejected  Counts `json:"rejected"` // or spam

	// Of the delivered mail that was deferred: how much passed at a retry, how long half
	// and 90 % of that waited, in seconds, and how much never passed.
	Passed int64 `json:"passed"`
	Median int64 `json:"median"`
	P90    int64 `json:"p90"`
	Never  int64 `json:"never"`
}

// trial judges the mail of a log under one configuration, from an empty memory, in virtual
// time.
type trial struct {
	Outcome
	judge  *judge.Judge
	memory *memory
	facts  *facts
	queue  queue
	now    int64
	waits  []int64         // of what passed, by [greylist.Delays]
	byDay  map[int64]int64 // deferred mail, by the beginning of the day
	bySite bool            // count the deferred mail of each site
	learn  *learned        // nil: nothing is learned from the log
	swept  int64
}

func newTrial(name string, policy *judge.Policy, f *facts) *trial {
	t := &trial{Outcome: Outcome{Name: name}, memory: newMemory(), facts: f,
		waits: make([]int64, len(greylist.Delays)), byDay: make(map[int64]int64)}
	enforced := *policy
	enforced.Observe = false
	silent := slog.New(slog.DiscardHandler)
	t.judge = judge.New(t.memory, &enforced, silent, clock.New(func() time.Time { return time.Unix(t.now, 0) }, silent))
	return t
}

// message judges the first attempt of a message, and before it all retries until then.
func (t *trial) message(ctx context.Context, m *mail) {
	if m.outgoing() && !t.judge.Policy().Outgoing.Teaches() {
		return
	}
	t.retryUntil(ctx, m.Time)
	if t.learn != nil {
		t.learn.begin(ctx, dayOf(m.Time), t.memory)
	}
	r := retry{at: m.Time, mail: m}
	answer := t.attempt(ctx, r)
	if m.outgoing() {
		return
	}
	if !m.wanted() {
		t.Rejected.add(answer)
		return
	}
	t.Delivered.add(answer)
	if t.learn != nil {
		t.learn.note(m)
	}
	if answer.Verdict == greylist.Accept || !answer.Reason.Greylist() {
		return
	}
	t.byDay[dayOf(m.Time)]++
	if t.bySite {
		m.site.deferred++
	}
	t.later(r)
}

// retryUntil judges the retries that come until a time, or the context ends.
func (t *trial) retryUntil(ctx context.Context, until int64) {
	for ctx.Err() == nil {
		r, ok := t.queue.due(until)
		if !ok {
			return
		}
		if t.attempt(ctx, r).Verdict != greylist.Accept {
			t.later(r)
			continue
		}
		t.Passed++
		t.waits[greylist.DelayWithin(r.at-r.Time)]++
	}
}

// later puts off a deferred message until its sender tries again, if it does.
func (t *trial) later(r retry) {
	r.attempts++
	if next, again := r.next(t.now); again {
		t.queue.add(next)
		return
	}
	t.Never++
}

// attempt judges an attempt.
func (t *trial) attempt(ctx context.Context, r retry) judge.Answer {
	t.now = max(t.now, r.at)
	if t.now-t.swept >= day {
		t.swept = t.now
		t.memory.expire(ctx, t.judge.Policy().Longest(), t.now)
	}
	t.facts.of = r.mail
	return t.judge.AtOnce(ctx, new(judge.Message), greylist.Attempt{
		Client: greylist.NetworkClient(r.client()), ClientName: r.ClientName, Helo: r.HELO,
		Sender: r.Sender, Recipient: r.Recipient, Authenticated: r.outgoing(), QueueID: r.QueueID, Via: "forecast",
	})
}

// end judges the retries that come after the end of the log.
func (t *trial) end(ctx context.Context) {
	t.retryUntil(ctx, math.MaxInt64)
	t.Median, t.P90 = report.Quantile(t.waits, 0.5), report.Quantile(t.waits, 0.9)
}
