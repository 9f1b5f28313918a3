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
	counters *Counters
	outage   outage
}

// NewJudge makes a judge.
func New(memory greylist.Memory, policy *Policy, log *slog.Logger, clock *clock.Clock) *Judge {
	j := &Judge{memory: memory, log: log, clock: clock, counters: NewCounters()}
	j.Adopt(policy)
	return j
}

// Adopt makes the policy hold from the next attempt on.
func (j *Judge) Adopt(p *Policy) { j.policy.Store(p) }

// Policy returns the policy that holds.
func (j *Judge) Policy() *Policy { return j.policy.Load() }

// Tally counts what the judge answers.
func (j *Judge) Counters() *Counters { return j.counters }

// Recipient judges an attempt at RCPT. It returns false, and logs nothing, if
// the attempt is to be judged at DATA instead, by [Judge.Message]: mail from
// the null sender or a prober is often a callout of another server, which
// stops after RCPT, and would take a deferral for our recipient's not existing.
func (j *Judge) Recipient(ctx context.Context, a greylist.Attempt) (Answer, bool) {
	began := time.Now()
	p, k := j.Policy(), rules.NewFacts(&a)
	answer, judged := j.guarded(p, func() (Answer, bool) {
		if ruling, ok := p.Rules.AskFacts(k, nil); ok {
			return ruled(ruling), true
		}
		if p.isProbe(k.Sender) {
			return Answer{}, false
		}
		ctx, cancel := context.WithTimeout(ctx, p.Timeout)
		defer cancel()
		return j.greylist(ctx, p, k), true
	})
	if judged {
		j.record(ctx, p, k, answer, time.Since(began))
	}
	return answer, judged
}

// LeavesToData reports whether [Judge.Recipient] would leave the attempt to DATA,
// for a front end that is asked there without having kept it.
func (j *Judge) LeavesToData(a greylist.Attempt) bool {
	p := j.Policy()
	k := rules.NewFacts(&a)
	_, ruled := p.Rules.AskFacts(k, nil)
	return !ruled && p.isProbe(k.Sender)
}

// Message judges, at DATA, the attempts of one message that [Judge.Recipient]
// left to it: by the greylist alone, since the other rules had no answer. The
// one reply that is possible there covers all recipients of the message: it is
// deferred if any of them is, with the reply of the longest wait. The policy's
// Timeout is for all of them together, since one command waits for it.
func (j *Judge) Message(ctx context.Context, attempts []greylist.Attempt) Answer {
	worst := Answer{Verdict: greylist.Accept}
	p := j.Policy()
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	for i := range attempts {
		began := time.Now()
		k := rules.NewFacts(&attempts[i])
		answer, _ := j.guarded(p, func() (Answer, bool) { return j.greylist(ctx, p, k), true })
		j.record(ctx, p, k, answer, time.Since(began))
		if answer.Verdict != greylist.Accept && (worst.Verdict == greylist.Accept || answer.Wait > worst.Wait) {
			worst = answer
		}
	}
	return worst
}

// guarded answers as the policy's OnError says if judge panics: a bug in a rule
// must cost nobody their mail.
func (j *Judge) guarded(p *Policy, judge func() (Answer, bool)) (answer Answer, judged bool) {
	defer func() {
		if r := recover(); r != nil {
			j.log.Error("panic while judging; this is a bug, please report it", "panic", r, "stack", string(debug.Stack()))
			answer, judged = p.failed(fmt.Errorf("greylist: panic: %v", r)), true
			j.counters.panics.Add(1)
		}
	}()
	return judge()
}

// greylist is rule 5.
func (j *Judge) greylist(ctx context.Context, p *Policy, k *rules.Facts) Answer {
	triplet, err := p.Identity.FoldedTriplet(k.Client, k.Sender, k.Recipient)
	if err != nil {
		return p.failed(err)
	}
	var decision greylist.Decision
	err = j.memory.Update(ctx, triplet, func(remembered *greylist.Entry) (greylist.Entry, bool) {
		now := j.clock.Now()
		present, moved := j.clock.Present(remembered)
		decision = p.Windows.Decide(present, now)
		return clock.AsNoted(decision.Remember, present, remembered), moved || !decision.Keep
	})
	if err != nil {
		j.outage.note(j, p.OnError, err)
		return p.failed(err)
	}
	if decision.Reason == greylist.ReasonNowGrey && !p.Observe {
		j.counters.Passed(decision.Remember)
	}
	return p.answer(decision)
}

// record counts the answer and writes the decision log: one line a recipient,
// with stable keys.
func (j *Judge) record(ctx context.Context, p *Policy, k *rules.Facts, answer Answer, took time.Duration) {
	j.counters.Answer(Kind{Via: k.Via, Verdict: answer.Verdict, Reason: answer.Reason}, took)
	if !j.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String("verdict", string(answer.Verdict)),
		slog.String("reason", string(answer.Reason)),
		slog.String("client", p.LogName(k.Client.String())),
		slog.String("helo", p.LogName(address.Printable(k.Helo))),
		slog.String("sender", p.LogName(k.Sender)),
		slog.String("recipient", p.LogName(k.Recipient)),
	)
	if answer.Wait > 0 {
		attrs = append(attrs, slog.Int64("wait", answer.Wait))
	}
	if k.QueueID != "" {
		attrs = append(attrs, slog.String("queue_id", address.Printable(k.QueueID)))
	}
	attrs = append(attrs, slog.String("via", k.Via), slog.String("took", inMilliseconds(took)))
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
