package judge

import (
	"context"
	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// Explanation is how an answer comes about.
type Explanation struct {
	Steps  []rules.Step // rules 0 to 4, as far as they were asked
	Answer Answer

	// The greylist's part, if the rules had no answer.
	Greylisted bool
	Triplet    greylist.Triplet
	Remembered *greylist.Entry // nil: unseen
	AtData     bool            // it is asked at DATA, because the sender may be a callout's
}

// Explain says what the attempt would be answered at the given time (Unix
// seconds), by the same code that answers, and remembers nothing. Its error is
// the memory's, with which the answer would be as OnError says.
func (p *Policy) Explain(ctx context.Context, memory greylist.Memory, a greylist.Attempt, now int64) (Explanation, error) {
	var x Explanation
	f := rules.NewFacts(&a, nil)
	f.Now = func() int64 { return now }
	ruling, err := p.Rules.Ask(ctx, f, func(s rules.Step) { x.Steps = append(x.Steps, s) })
	switch {
	case err != nil:
		x.Answer = p.failed(err)
		return x, err
	case decides(ruling):
		x.Answer = ruled(ruling)
		return x, nil
	}
	x.Greylisted = true
	x.AtData = p.isProbe(f.Sender)
	triplets, err := p.triplets(f)
	for i := 0; i < len(triplets) && x.Remembered == nil && err == nil; i++ {
		x.Triplet = triplets[0]
		x.Remembered, err = memory.Get(ctx, triplets[i])
	}
	if err != nil {
		x.Answer = p.failed(err)
		return x, err
	}
	windows, reply := p.terms(ruling)
	x.Answer = p.answer(windows.Decide(x.Remembered, now), reply)
	return x, nil
}
