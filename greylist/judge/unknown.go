package judge

import (
	"context"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/rules"
)

// MayWait reports whether [Judge.Recipient] may leave recipients of mail from the
// sender pending until DATA.
func (p *Policy) MayWait(sender string) bool { return p.isProbe(address.Fold(sender)) }

// Fail answers, and logs, an attempt of which too little is known to judge it, as
// the policy's OnError says.
func (j *Judge) Fail(ctx context.Context, a greylist.Attempt, err error) Answer {
	p := j.Policy()
	answer := p.failed(err)
	j.record(ctx, p, rules.NewFacts(&a, nil), answer, time.Duration(0))
	return answer
}
