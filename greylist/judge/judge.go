// Package judge answers attempts: by the rules, then by the greylist, and by on_error
// where something fails. It writes the decision log and counts. The milter and the
// policy protocol both ask it; neither has a rule of its own.
package judge

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/clock"
	"greyglass/greylist/rules"
	"greyglass/greylist/timeout"
)

// Judge answers attempts.
type Judge struct {
	memory   greylist.Memory
	log      *slog.Logger
	clock    *clock.Clock
	policy   atomic.Pointer[Policy]
	expected atomic.Pointer[rules.Expected]
	now      func() int64 // clock.Now
	age      greylist.Age // clock.Age
	counters *Counters
	outage   outage
	helpers  chan struct{} // see [Judge.together]
	last     lastIdentities

	// By names this program and machine in header fields: "greyglass-1.0 at
	// mx.example.org". It is set before the first message.
	By string

	// Watcher is called with each decision, unless the policy has PrivateLog; it must not
	// block. It is set before the first message. Nil: there is none.
	Watcher func(Decided)
}

// New makes a judge.
func New(memory greylist.Memory, policy *Policy, log *slog.Logger, clock *clock.Clock) *Judge {
	j := &Judge{memory: memory, log: log, clock: clock, now: clock.Now, age: clock.Age, counters: NewCounters(), helpers: make(chan struct{}, maxHelpers)}
	j.Adopt(policy)
	j.Expect(nil)
	return j
}

// Adopt sets the policy, from the next attempt on.
func (j *Judge) Adopt(p *Policy) { j.policy.Store(p) }

// Policy returns the current policy.
func (j *Judge) Policy() *Policy { return j.policy.Load() }

// Counters returns the judge's counters.
func (j *Judge) Counters() *Counters { return j.counters }

// Message is what the recipients of one message share. A front end makes one for
// each message, and passes it with each recipient.
type Message = rules.Message

// Recipient judges an attempt at RCPT. If it returns a pending recipient, the
// recipient is accepted for now and not logged, and the caller passes it to
// [Judge.Data]: mail from the null sender or a prober is often a callout of another
// server, which stops after RCPT. A deferral there would make that server refuse our
// user's mail.
func (j *Judge) Recipient(ctx context.Context, m *Message, a greylist.Attempt) (answer Answer, pending *Pending) {
	began := time.Now()
	p := j.Policy()
	f := j.facts(p, &a, m)
	answer = j.guarded(p, func() Answer {
		ruling, err := p.Rules.Ask(ctx, f, nil)
		switch {
		case err != nil:
			return j.storeFailed(p, err)
		case decides(ruling):
			byRule := ruled(ruling)
			j.refreshClient(ctx, p, f, byRule)
			j.noteSent(ctx, p, f, byRule)
			return j.orExpected(ctx, p, f, byRule)
		case p.isProbe(f.Sender):
			pending = &Pending{a, m, ruling, f.Once}
			return Answer{Verdict: greylist.Accept}
		}
		return j.orExpected(ctx, p, f, j.greylist(ctx, p, f, ruling))
	})
	if pending == nil {
		answer = p.completed(answer, f)
		j.record(ctx, p, f, answer, time.Since(began))
	}
	return answer, pending
}

// AtOnce judges an attempt as if DATA followed at once, for a caller without an MTA.
func (j *Judge) AtOnce(ctx context.Context, m *Message, a greylist.Attempt) Answer {
	answer, pending := j.Recipient(ctx, m, a)
	if pending == nil {
		return answer
	}
	return j.Data(ctx, "", []*Pending{pending})
}

func (j *Judge) facts(p *Policy, a *greylist.Attempt, m *Message) *rules.Facts {
	f := rules.NewFacts(a, m)
	f.Now = j.now
	f.Expecting = (*memory)(j)
	f.Learned = p.learned((*memory)(j), j.age)
	return f
}

// guarded answers by on_error if judge panics, so that a bug loses no mail.
func (j *Judge) guarded(p *Policy, judge func() Answer) (answer Answer) {
	defer func() {
		if r := recover(); r != nil {
			j.log.Error(eventPanic, "panic", r, "stack", string(debug.Stack()))
			answer = p.errorAnswer(fmt.Errorf("panic: %v", r))
			j.counters.panics.Add(1)
		}
	}()
	return judge()
}

// greylist answers by the greylist. The ruling, which may be nil, has the windows.
func (j *Judge) greylist(ctx context.Context, p *Policy, f *rules.Facts, ruling *rules.Ruling) Answer {
	triplets, err := p.triplets(ctx, f, ruling, &j.last)
	if err != nil {
		return p.errorAnswer(err)
	}
	windows, reply := p.terms(ruling)
	limited := timeout.With(ctx, p.Timeout)
	defer limited.End()
	ctx = limited
	counts, err := j.counting(ctx, p, f, windows, triplets[0].Client)
	if err != nil {
		return j.storeFailed(p, err)
	}
	d, err := j.memory.Update(ctx, triplets, func(remembered []*greylist.Entry) greylist.Decision {
		d, used := greylist.DecideFirst(remembered, func(e *greylist.Entry) greylist.Decision { return j.clock.Decide(windows, e) })
		d.Keep = d.Keep && used == 0 // else it is found under another key, and stored under the present one
		if f.Via == greylist.ViaProbe {
			d.Remember.Deferred, d.Remember.Accepted = answersOf(remembered, used)
		} else if d.Reason == greylist.ReasonNowGrey {
			d.Client = counts
		}
		return d
	})
	if err != nil {
		return j.storeFailed(p, err)
	}
	if d.Client != nil {
		f.NoteClient(*d.Client)
	}
	answer := p.answer(d, reply)
	answer.Triplet = triplets[0]
	if d.Reason == greylist.ReasonNowGrey && !p.Observe && f.Via != greylist.ViaProbe {
		j.counters.Passed(d.Remember)
	}
	if ruling != nil {
		answer.Rule = ruling.Rule
	}
	j.refreshClient(ctx, p, f, answer)
	return answer
}

// answersOf returns how many answers an entry has counted; used is its index, -1 if there is none.
func answersOf(remembered []*greylist.Entry, used int) (deferred, accepted int64) {
	if used < 0 {
		return 0, 0
	}
	return remembered[used].Deferred, remembered[used].Accepted
}

// record counts the answer and writes its line of the decision log.
func (j *Judge) record(ctx context.Context, p *Policy, f *rules.Facts, answer Answer, took time.Duration) {
	if f.Via != greylist.ViaProbe {
		j.counters.Answer(Kind{Via: f.Via, Verdict: answer.Verdict, Reason: answer.Reason}, took)
	}
	j.tell(p, f, &answer)
	if !j.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	client := f.Client.String()
	attrs := make([]slog.Attr, 0, 14)
	attrs = append(attrs,
		slog.String("verdict", string(answer.Verdict)),
		slog.String("reason", string(answer.Reason)),
		slog.String("client", p.LogName(client)),
		slog.String("helo", p.LogName(address.Printable(f.Helo))),
		slog.String("sender", p.LogName(f.Sender)),
		slog.String("recipient", p.LogName(f.Recipient)),
	)
	if answer.Wait > 0 {
		attrs = append(attrs, slog.Int64("wait", answer.Wait))
	}
	if answer.Delayed > 0 {
		attrs = append(attrs, slog.Int64("delayed", answer.Delayed))
	}
	if answer.Rule != "" {
		attrs = append(attrs, slog.String("rule", answer.Rule))
	}
	if identity := cmp.Or(answer.Triplet.Client, answer.Proven); identity != "" && identity != client {
		attrs = append(attrs, slog.String("identity", p.LogName(identity)))
	}
	if spf, ok := f.KnownSPF(); ok {
		attrs = append(attrs, slog.String("spf", spf.Result))
	}
	if f.QueueID != "" {
		attrs = append(attrs, slog.String("queue_id", address.Printable(f.QueueID)))
	}
	if answer.Code != "" {
		attrs = append(attrs, slog.String("code", answer.Code))
	}
	attrs = append(attrs, slog.String("via", f.Via), slog.String("took", inMilliseconds(took)))
	if answer.Observed {
		attrs = append(attrs, slog.String("mode", "observe"))
	}
	if answer.Err != nil {
		attrs = append(attrs, slog.String("error", answer.Err.Error()))
	}
	j.log.LogAttrs(ctx, slog.LevelInfo, eventDecision, attrs...)
}

// inMilliseconds is a duration as the log has it: "0.512ms".
func inMilliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 3, 64) + "ms"
}
