package judge

import (
	"context"
	"errors"

	"greyglass/greylist"
	"greyglass/greylist/rules"
)

var errForgotten = errors.New("the message is not known, and the request at DATA names no recipient")

// Forgotten judges, at DATA, a recipient that the front end has not kept since RCPT. The
// answer is empty, and nothing is logged again, if the recipient was answered at RCPT. If the
// MTA does not name it, because there are several, on_error answers.
func (j *Judge) Forgotten(ctx context.Context, a greylist.Attempt) Answer {
	p := j.Policy()
	m := new(Message)
	f := j.facts(p, &a, m)
	if !p.isProbe(f.Sender) {
		return Answer{}
	}
	var ruling *rules.Ruling
	answer := j.guarded(p, func() (none Answer) {
		if a.Recipient == "" {
			return p.errorAnswer(errForgotten)
		}
		var err error
		if ruling, err = p.Rules.Ask(ctx, f, nil); err != nil {
			return j.storeFailed(p, err)
		}
		return none
	})
	switch {
	case answer.Err != nil:
		answer = p.completed(answer, f)
		j.record(ctx, p, f, answer, 0)
	case !decides(ruling):
		return j.Data(ctx, a.QueueID, []*Pending{{a, m, ruling, f.Once}})
	}
	return answer
}
