package judge

import (
	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/rules"
	"time"
)

// Policy is all that the administrator has said about whom to let in. A Policy
// never changes; a reload makes a new one, and [Judge.Adopt] swaps it in whole.
type Policy struct {
	Rules    *rules.Set
	Windows  greylist.Windows
	Identity greylist.Identity
	Reply    greylist.Reply // of the greylist, a Defer; {wait} in it stands for the time to wait
	Observe  bool           // the greylist decides, remembers and logs, but accepts

	// Probes are the senders, beside the null sender, from which other servers
	// try whether an address exists (a callout). They are not deferred at RCPT.
	Probes address.Patterns

	PrivateLog bool // the log has pseudonyms in the place of addresses

	OnError    greylist.Verdict // Accept or Defer, when a rule cannot be asked
	ErrorReply greylist.Reply   // that goes with Defer
	Timeout    time.Duration    // for the memory's answer
}

// isProbe reports whether mail from the sender, which is folded, is often a
// callout, which stops after RCPT.
func (p *Policy) isProbe(sender string) bool {
	if sender == address.NullSender {
		return true
	}
	_, ok := p.Probes.Match(sender)
	return ok
}

// Answer is what a recipient is answered.
type Answer struct {
	Verdict greylist.Verdict
	Reason  greylist.Reason
	Reply   greylist.Reply // unless the verdict is Accept

	// Wait is how many seconds must pass until a retry can be let through; zero
	// if the reason is not the greylist's or nothing needs to wait.
	Wait int64

	// Observed says that the greylist decided, but only observes: the reason is
	// what it decided, the verdict Accept.
	Observed bool

	// Rule is the [[rule]] by which the greylist decided.
	Rule string

	// Err is why the reason is [greylist.ReasonError].
	Err error
}

// decides reports whether a ruling is an answer, and does not leave it to the
// greylist.
func decides(r *rules.Ruling) bool { return r != nil && r.Verdict != rules.Greylist }

// triplets are those by which an attempt may be remembered. The first is by which it
// is remembered from now on; another has only what came before.
func (p *Policy) triplets(f *rules.Facts) ([]greylist.Triplet, error) {
	t, err := p.Identity.FoldedTriplet(f.Client, f.Sender, f.Recipient)
	if err != nil {
		return nil, err
	}
	all := []greylist.Triplet{t}
	if !address.IsASCII(f.Attempt.Sender) || !address.IsASCII(f.Attempt.Recipient) {
		t.Sender, t.Recipient = address.FoldUnconverted(f.Attempt.Sender), address.FoldUnconverted(f.Attempt.Recipient)
		if t != all[0] {
			all = append(all, t)
		}
	}
	return all, nil
}

// first is what is remembered of the first triplet of which anything is.
func first(remembered []*greylist.Entry) *greylist.Entry {
	for _, e := range remembered {
		if e != nil {
			return e
		}
	}
	return nil
}

// terms are the windows and the reply of the greylist for an attempt.
func (p *Policy) terms(r *rules.Ruling) (greylist.Windows, greylist.Reply) {
	windows, reply := p.Windows, p.Reply
	if r != nil && r.Windows != nil {
		windows = *r.Windows
	}
	if r != nil && r.Reply != (greylist.Reply{}) {
		reply = r.Reply
	}
	return windows, reply
}

// Longest are windows of which those after which a triplet is forgotten are the
// longest of the greylist's and those of rules.
func (p *Policy) Longest() greylist.Windows { return p.Rules.Longest(p.Windows) }

func ruled(r *rules.Ruling) Answer {
	return Answer{Verdict: r.Verdict, Reason: r.Reason, Reply: r.Reply}
}

// answer turns the greylist's decision into an answer.
func (p *Policy) answer(d greylist.Decision, reply greylist.Reply) Answer {
	a := Answer{Verdict: d.Verdict, Reason: d.Reason, Wait: d.Wait}
	switch {
	case p.Observe:
		a.Observed = true
		a.Verdict = greylist.Accept
	case d.Verdict == greylist.Defer:
		a.Reply = reply.WithWait(d.Wait)
	}
	return a
}

// failed is the answer when a rule could not be asked. If the greylist only
// observes, that defers no mail either.
func (p *Policy) failed(err error) Answer {
	a := Answer{Verdict: p.OnError, Reason: greylist.ReasonError, Err: err, Observed: p.Observe}
	switch {
	case p.Observe:
		a.Verdict = greylist.Accept
	case a.Verdict == greylist.Defer:
		a.Reply = p.ErrorReply
	}
	return a
}
