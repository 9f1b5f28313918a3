package judge

import (
	"greyglass/greylist"
	"greyglass/greylist/rules"
)

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
