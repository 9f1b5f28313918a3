package judge

import (
	"context"

	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// Explanation is how an answer comes about.
type Explanation struct {
	Steps  []rules.Step // the rules that were asked
	Answer Answer

	// Set if no rule had an answer.
	Greylisted bool
	Triplet    greylist.Triplet
	Why        string          // the triplet has this client; empty if it is always the address
	Remembered *greylist.Entry // nil: unseen
	Windows    greylist.Windows
	AtData     bool // the greylist answers at DATA, because the mail may be a callout
}

// Explain returns the answer that the attempt would get at the given time (Unix
// seconds), and writes nothing. If it returns an error, the answer is that of OnError.
func (p *Policy) Explain(ctx context.Context, memory greylist.Memory, a greylist.Attempt, now int64) (x Explanation, err error) {
	f := rules.NewFacts(&a, nil)
	x, err = p.explain(ctx, memory, f, now)
	if err == nil && x.Answer.Verdict != greylist.Accept {
		if ruling, _ := f.UseExpected(ctx); ruling != nil { // uses nothing up, see explained
			x.Answer, x.Greylisted = ruled(ruling), false
			for i := range x.Steps {
				x.Steps[i].Ruling = nil
			}
			x.Steps = append(x.Steps, rules.Step{Rule: rules.ExpectedMail, Says: ruling.Because + "; nothing else accepts it", Ruling: ruling})
		}
	}
	x.Answer = p.completed(x.Answer, f)
	return x, err
}

func (p *Policy) explain(ctx context.Context, memory greylist.Memory, f *rules.Facts, now int64) (x Explanation, err error) {
	f.Now = func() int64 { return now }
	f.Expecting = explained(memory.Expected)
	f.Learned = p.learned(memory, greylist.AgeAt(now))
	ruling, err := p.Rules.Ask(ctx, f, func(s rules.Step) { x.Steps = append(x.Steps, s) })
	switch {
	case err != nil:
		x.Answer = p.errorAnswer(err)
		return x, err
	case decides(ruling):
		x.Answer = ruled(ruling)
		return x, nil
	}
	x.Greylisted = true
	x.AtData = p.isProbe(f.Sender)
	triplets, err := p.triplets(ctx, f, ruling, nil)
	if err != nil {
		x.Answer = p.errorAnswer(err)
		return x, err
	}
	x.Triplet, x.Why = triplets[0], f.WhyIdentity(p.identity(ruling))
	remembered := make([]*greylist.Entry, len(triplets))
	for i, t := range triplets {
		if remembered[i], err = memory.Get(ctx, t); err != nil {
			x.Answer = p.errorAnswer(err)
			return x, err
		}
	}
	windows, reply := p.terms(ruling)
	x.Windows = windows
	d, used := greylist.DecideFirst(remembered, func(e *greylist.Entry) greylist.Decision { return windows.Decide(e, now) })
	if used >= 0 {
		x.Remembered = remembered[used]
	}
	x.Answer = p.answer(d, reply)
	x.Answer.Triplet = x.Triplet
	if ruling != nil {
		x.Answer.Rule = ruling.Rule
	}
	return x, nil
}
