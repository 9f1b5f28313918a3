package judge

import (
	"context"
	"sync"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// Pending is a recipient that the greylist judges at DATA; no rule had an answer at
// RCPT.
type Pending struct {
	Attempt greylist.Attempt

	message *Message
	ruling  *rules.Ruling // nil, or a rule's windows and reply
	once    []greylist.Expectation
}

// Data judges, at DATA, the pending recipients of one message by the greylist. The
// reply at DATA is for the whole message: it is deferred if any recipient is, with
// the reply of the longest wait. The policy's Timeout is for all recipients together.
// The queue ID may be empty.
func (j *Judge) Data(ctx context.Context, queueID string, pending []*Pending) Answer {
	whole := Answer{Verdict: greylist.Accept}
	p := j.Policy()
	j.lookUp(ctx, p, pending)
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	for done := 0; done < len(pending); {
		for _, answer := range j.together(ctx, p, queueID, pending[done:]) {
			if done == 0 {
				whole = answer
			} else {
				whole = Worse(whole, answer)
			}
			done++
		}
	}
	return whole
}

// lookUp looks up what the clients' identities need, so that it takes nothing of the
// memory's timeout.
func (j *Judge) lookUp(ctx context.Context, p *Policy, pending []*Pending) {
	for _, recipient := range pending {
		if !p.identity(recipient.ruling).Provider {
			continue
		}
		if recipient.message == nil {
			recipient.message = new(Message)
		}
		j.guarded(p, func() (none Answer) {
			f := j.facts(p, &recipient.Attempt, recipient.message)
			p.Rules.Bind(f)
			f.SPF(ctx)
			return none
		})
	}
}

// maxHelpers bounds the goroutines that judge recipients at DATA, of all messages.
const maxHelpers = 256

// together judges the first of the pending recipients at the same time, so that they share
// commits: not many more than that gains, and not one that is there twice. It logs them in
// their order.
func (j *Judge) together(ctx context.Context, p *Policy, queueID string, pending []*Pending) []Answer {
	var facts []*rules.Facts
	seen := make(map[string]bool)
	for _, recipient := range pending {
		f := j.facts(p, &recipient.Attempt, recipient.message)
		if seen[f.Recipient] || len(facts) == maxHelpers {
			break
		}
		seen[f.Recipient] = true
		if queueID != "" {
			f.QueueID = queueID
		}
		facts = append(facts, f)
	}
	answers, took := make([]Answer, len(facts)), make([]time.Duration, len(facts))
	judgeOne := func(i int) {
		began := time.Now()
		answers[i] = j.guarded(p, func() Answer {
			p.Rules.Bind(facts[i])
			facts[i].Once = pending[i].once
			return j.orExpected(ctx, p, facts[i], j.greylist(ctx, p, facts[i], pending[i].ruling))
		})
		took[i] = time.Since(began)
	}
	var wg sync.WaitGroup
	for i := range facts {
		select {
		case j.helpers <- struct{}{}:
			wg.Go(func() {
				defer func() { <-j.helpers }()
				judgeOne(i)
			})
		default:
			judgeOne(i)
		}
	}
	wg.Wait()
	for i, f := range facts {
		answers[i] = p.completed(answers[i], f)
		j.record(ctx, p, f, answers[i], took[i])
	}
	return answers
}
