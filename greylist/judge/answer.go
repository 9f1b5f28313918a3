package judge

import (
	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// Answer is the answer to a recipient.
type Answer struct {
	Verdict greylist.Verdict
	Reason  greylist.Reason
	Reply   greylist.Reply // unless the verdict is Accept

	// Wait is how many seconds must pass until a retry can pass; zero if the verdict
	// is not the greylist's Defer.
	Wait int64

	// Delayed is how many seconds a triplet that is accepted for the first time has
	// waited.
	Delayed int64

	// Observed says that the greylist only observes: the reason is the greylist's,
	// the verdict is Accept.
	Observed bool

	// Rule is the [[rule]] that chose greylisting, if one did.
	Rule string

	// Proven is the client's identity, if the answer is that it is proven.
	Proven string

	// Triplet is the key under which the greylist remembers the recipient; zero if it was
	// not asked.
	Triplet greylist.Triplet

	// Code names the recipient's triplet; empty unless [Policy.Codes].
	Code string

	// Err is why the reason is [greylist.ReasonError].
	Err error
}

func ruled(r *rules.Ruling) Answer {
	return Answer{Verdict: r.Verdict, Reason: r.Reason, Reply: r.Reply, Proven: r.Client}
}

// answer turns the greylist's decision into an answer.
func (p *Policy) answer(d greylist.Decision, reply greylist.Reply) Answer {
	a := Answer{Verdict: d.Verdict, Reason: d.Reason, Wait: d.Wait}
	switch {
	case p.Observe:
		a.Observed = true
		a.Verdict = greylist.Accept
	case d.Verdict == greylist.Defer:
		a.Reply = reply
	case d.Reason == greylist.ReasonNowGrey:
		a.Delayed = d.Remember.PassedAt - d.Remember.FirstSeen
	}
	return a
}

// errorAnswer is the answer to an error. In observe mode it defers nothing either.
func (p *Policy) errorAnswer(err error) Answer {
	a := Answer{Verdict: p.OnError, Reason: greylist.ReasonError, Err: err, Observed: p.Observe}
	switch {
	case p.Observe:
		a.Verdict = greylist.Accept
	case a.Verdict == greylist.Defer:
		a.Reply = p.ErrorReply
	}
	return a
}

// completed replaces the placeholders of the answer's reply.
func (p *Policy) completed(a Answer, f *rules.Facts) Answer {
	if p.Codes && a.Triplet != (greylist.Triplet{}) {
		a.Code = a.Triplet.Code()
	} else if p.Codes {
		a.Code = p.code(f)
	}
	wait := a.Wait
	if a.Reason.Greylist() {
		wait = max(wait, 1)
	}
	a.Reply = a.Reply.Fill(greylist.Details{Wait: wait, QueueID: f.QueueID, Code: a.Code})
	return a
}

// code names an attempt for which no triplet is stored, without looking anything up.
func (p *Policy) code(f *rules.Facts) string {
	t, err := p.Identity.Triplet(f.Client, f.Sender, f.Recipient)
	if err != nil {
		t = greylist.Triplet{Client: f.Client.String(), Sender: f.Sender, Recipient: f.Recipient}
	}
	return t.Code()
}

// Refuses reports whether the answer is Defer or Deny.
func (a Answer) Refuses() bool {
	return a.Verdict == greylist.Defer || a.Verdict == greylist.Deny
}

// byRule reports whether a rule has answered, and not the greylist.
func (a Answer) byRule() bool {
	return a.Reason != "" && a.Reason != greylist.ReasonError && !a.Reason.Greylist()
}

// Worse returns the answer to a message, of the answers to two of its recipients: it is
// refused if one of them is, with the reply of the longer wait.
func Worse(a, b Answer) Answer {
	switch {
	case !a.Refuses() && !b.Refuses():
		return MoreTelling(a, b)
	case b.Refuses() && (!a.Refuses() || b.Wait > a.Wait):
		return b
	}
	return a
}

// MoreTelling returns which of two answers to recipients of one message its header
// field tells of: the longest delay or, if none was delayed, the first rule.
func MoreTelling(a, b Answer) Answer {
	if b.Verdict == greylist.Accept && (b.Delayed > a.Delayed || a.Delayed == 0 && !a.byRule() && b.byRule()) {
		return b
	}
	return a
}
