package judge

import (
	"context"
	"strings"

	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// Expect sets what is expected, from the next attempt on.
func (j *Judge) Expect(all []greylist.Expectation) {
	if present := j.expected.Load(); present == nil || !present.Same(all) {
		j.expected.Store(rules.NewExpected(all))
	}
}

// orExpected returns the answer, or, if that is not to accept the mail, that it is expected
// for one recipient.
func (j *Judge) orExpected(ctx context.Context, p *Policy, f *rules.Facts, answer Answer) Answer {
	if answer.Verdict == greylist.Accept || len(f.Once) == 0 {
		return answer
	}
	ruling, err := f.UseExpected(ctx)
	switch {
	case err != nil && answer.Err != nil:
		j.outage.note(j, p.OnError, err, 0) // the answer is that of an error already
		return answer
	case err != nil:
		return j.storeFailed(p, err)
	case ruling != nil:
		return ruled(ruling)
	}
	return answer
}

// explained are expectations of which none is used up, because nothing is decided.
type explained func(ctx context.Context) ([]greylist.Expectation, error)

func (x explained) Expected(ctx context.Context) (*rules.Expected, error) {
	all, err := x(ctx)
	return rules.NewExpected(all), err
}

func (x explained) UseExpected(context.Context, greylist.Expectation) (bool, error) { return true, nil }

// PrecedesExpected returns the answer of a rule that comes before expectations, and so
// decides of mail that would meet this one from whatever client; nil if none does.
func (p *Policy) PrecedesExpected(ctx context.Context, e greylist.Expectation) (*rules.Ruling, error) {
	e.Once = false // else the rules behind it are asked, too
	f := rules.NewFacts(&greylist.Attempt{Sender: exampleSender(e.Sender), Recipient: e.Recipient}, nil)
	f.Now = func() int64 { return e.Since }
	f.Expecting = explained(func(context.Context) ([]greylist.Expectation, error) { return []greylist.Expectation{e}, nil })
	ruling, err := p.Rules.Ask(ctx, f, nil)
	if err != nil || ruling == nil || ruling.Reason == greylist.ReasonExpected {
		return nil, err
	}
	return ruling, nil
}

// exampleSender returns a sender that the pattern matches; where it matches several, one
// that no list has, unless by a pattern.
func exampleSender(pattern string) string {
	const local = "a-sender-that-is-on-no-list"
	switch {
	case pattern == "*":
		return local + "@example.invalid"
	case strings.HasPrefix(pattern, "@"):
		return local + "@" + strings.Replace(pattern[1:], "*", local, 1)
	}
	return pattern
}
