package judge

import (
	"context"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/rules"
)

// MayWait reports whether [Judge.Recipient] may return pending recipients for mail
// from the sender.
func (p *Policy) MayWait(sender string) bool { return p.isProbe(address.Fold(sender)) }

// Fail answers by on_error, and logs, an attempt that cannot be judged because too
// little of it is known.
func (j *Judge) Fail(ctx context.Context, a greylist.Attempt, err error) Answer {
	p := j.Policy()
	f := rules.NewFacts(&a, nil)
	answer := p.completed(p.failed(err), f)
	j.record(ctx, p, f, answer, time.Duration(0))
	return answer
}
