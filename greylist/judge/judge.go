// Package judge answers attempts: the rules first, then the greylist. It writes the
// decision log, counts, and answers by on_error where something fails. The milter
// and the policy protocol both ask it; neither has a rule of its own.
package judge

import (
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
)

// Judge answers attempts: it asks the rules, then the greylist, and writes one
// line a recipient to the log. Both front ends ask it; neither has a rule of its own.
type Judge struct {
	memory   greylist.Memory
	log      *slog.Logger
	clock    *clock.Clock
	policy   atomic.Pointer[Policy]
	now      func() int64 // clock.Now
	counters *Counters
	outage   outage
}

// New makes a judge.
func New(memory greylist.Memory, policy *Policy, log *slog.Logger, clock *clock.Clock) *Judge {
	j := &Judge{memory: memory, log: log, clock: clock, now: clock.Now, counters: NewCounters()}
	j.Adopt(policy)
	return j
}

// Adopt makes the policy hold from the next attempt on.
func (j *Judge) Adopt(p *Policy) { j.policy.Store(p) }

// Policy returns the policy that holds.
func (j *Judge) Policy() *Policy { return j.policy.Load() }

// Counters counts what the judge answers.
func (j *Judge) Counters() *Counters { return j.counters }

// Message is what the recipients of one message share. A front end makes one when
// a message begins, and hands it over with each recipient.
type Message = rules.Message

// Pending is a recipient that is judged at DATA: rules 0 to 7 were asked at RCPT,
// and left it to the greylist.
type Pending struct {
	Attempt greylist.Attempt

	message *Message
	ruling  *rules.Ruling // nil, or one that says by which windows
}

// Recipient judges an attempt at RCPT. If it returns a recipient that is pending,
// that is accepted for now, nothing is logged, and [Judge.Data] judges it: mail from
// the null sender or a prober is often a callout of another server, which stops
// after RCPT, and would take a deferral for our recipient's not existing.
func (j *Judge) Recipient(ctx context.Context, m *Message, a greylist.Attempt) (answer Answer, pending *Pending) {
	began := time.Now()
	p := j.Policy()
	f := j.facts(&a, m)
	answer = j.guarded(p, func() Answer {
		ruling, err := p.Rules.Ask(ctx, f, nil)
		switch {
		case err != nil:
			return p.failed(err)
		case decides(ruling):
			return ruled(ruling)
		case p.isProbe(f.Sender):
			pending = &Pending{a, m, ruling}
			return Answer{Verdict: greylist.Accept}
		}
		ctx, cancel := context.WithTimeout(ctx, p.Timeout)
		defer cancel()
		return j.greylist(ctx, p, f, ruling)
	})
	if pending == nil {
		j.record(ctx, p, f, answer, time.Since(began))
	}
	return answer, pending
}

// Recall returns what [Judge.Recipient] left pending, for a front end that is asked
// at DATA about a recipient that it has not kept; nil if a rule answered at RCPT.
func (j *Judge) Recall(ctx context.Context, m *Message, a greylist.Attempt) (pending *Pending) {
	p := j.Policy()
	f := j.facts(&a, m)
	j.guarded(p, func() (none Answer) {
		ruling, err := p.Rules.Ask(ctx, f, nil)
		if err == nil && !decides(ruling) && p.isProbe(f.Sender) {
			pending = &Pending{a, m, ruling}
		}
		return none
	})
	return pending
}

// Data judges, at DATA, the recipients of one message that are pending: by the
// greylist alone. The one reply that is possible there covers all recipients of the
// message: it is deferred if any of them is, with the reply of the longest wait. The
// policy's Timeout is for all of them together, since one command waits for it. The
// queue ID, if there is one, is what the MTA calls the message by now.
func (j *Judge) Data(ctx context.Context, queueID string, pending []*Pending) Answer {
	worst := Answer{Verdict: greylist.Accept}
	p := j.Policy()
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	for _, recipient := range pending {
		answer := j.pending(ctx, p, queueID, recipient)
		if answer.Verdict != greylist.Accept && (worst.Verdict == greylist.Accept || answer.Wait > worst.Wait) {
			worst = answer
		}
	}
	return worst
}

// pending judges a recipient that is pending, by the greylist.
func (j *Judge) pending(ctx context.Context, p *Policy, queueID string, recipient *Pending) Answer {
	began := time.Now()
	f := j.facts(&recipient.Attempt, recipient.message)
	if queueID != "" {
		f.QueueID = queueID
	}
	answer := j.guarded(p, func() Answer {
		p.Rules.Bind(f)
		return j.greylist(ctx, p, f, recipient.ruling)
	})
	j.record(ctx, p, f, answer, time.Since(began))
	return answer
}

// AtOnce judges an attempt as if DATA came right after RCPT, for a caller that has no
// MTA: each recipient gets the answer that the log would have of it.
func (j *Judge) AtOnce(ctx context.Context, m *Message, a greylist.Attempt) Answer {
	answer, pending := j.Recipient(ctx, m, a)
	if pending == nil {
		return answer
	}
	p := j.Policy()
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	return j.pending(ctx, p, "", pending)
}

func (j *Judge) facts(a *greylist.Attempt, m *Message) *rules.Facts {
	f := rules.NewFacts(a, m)
	f.Now = j.now
	return f
}

// guarded answers as the policy's OnError says if judge panics: a bug in a rule
// must cost nobody their mail.
func (j *Judge) guarded(p *Policy, judge func() Answer) (answer Answer) {
	defer func() {
		if r := recover(); r != nil {
			j.log.Error("panic while judging; this is a bug, please report it", "panic", r, "stack", string(debug.Stack()))
			answer = p.failed(fmt.Errorf("greylist: panic: %v", r))
			j.counters.panics.Add(1)
		}
	}()
	return judge()
}

// greylist is rule 8. The ruling, which may be nil, says by which windows.
func (j *Judge) greylist(ctx context.Context, p *Policy, f *rules.Facts, ruling *rules.Ruling) Answer {
	triplets, err := p.triplets(f)
	if err != nil {
		return p.failed(err)
	}
	windows, reply := p.terms(ruling)
	d, err := j.memory.Update(ctx, triplets, func(remembered []*greylist.Entry) greylist.Decision {
		d := j.clock.Decide(windows, first(remembered))
		d.Keep = d.Keep && remembered[0] != nil
		return d
	})
	if err != nil {
		j.outage.note(j, p.OnError, err)
		return p.failed(err)
	}
	if d.Reason == greylist.ReasonNowGrey && !p.Observe {
		j.counters.Passed(d.Remember)
	}
	answer := p.answer(d, reply)
	if ruling != nil {
		answer.Rule = ruling.Rule
	}
	return answer
}

// record counts the answer and writes the decision log: one line a recipient,
// with stable keys.
func (j *Judge) record(ctx context.Context, p *Policy, f *rules.Facts, answer Answer, took time.Duration) {
	j.counters.Answer(Kind{Via: f.Via, Verdict: answer.Verdict, Reason: answer.Reason}, took)
	if !j.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String("verdict", string(answer.Verdict)),
		slog.String("reason", string(answer.Reason)),
		slog.String("client", p.LogName(f.Client.String())),
		slog.String("helo", p.LogName(address.Printable(f.Helo))),
		slog.String("sender", p.LogName(f.Sender)),
		slog.String("recipient", p.LogName(f.Recipient)),
	)
	if answer.Wait > 0 {
		attrs = append(attrs, slog.Int64("wait", answer.Wait))
	}
	if answer.Rule != "" {
		attrs = append(attrs, slog.String("rule", answer.Rule))
	}
	if spf, ok := f.KnownSPF(); ok {
		attrs = append(attrs, slog.String("spf", spf.Result))
	}
	if f.QueueID != "" {
		attrs = append(attrs, slog.String("queue_id", address.Printable(f.QueueID)))
	}
	attrs = append(attrs, slog.String("via", f.Via), slog.String("took", inMilliseconds(took)))
	if answer.Observed {
		attrs = append(attrs, slog.String("mode", "observe"))
	}
	if answer.Err != nil {
		attrs = append(attrs, slog.String("error", answer.Err.Error()))
	}
	j.log.LogAttrs(ctx, slog.LevelInfo, "decision", attrs...)
}

// inMilliseconds is a duration as the log has it: "0.512ms".
func inMilliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 3, 64) + "ms"
}
