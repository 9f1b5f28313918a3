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

// code names the triplet that an attempt would have, also where none can be stored.
func (p *Policy) code(f *rules.Facts) string {
	triplets, err := p.triplets(f, nil)
	if err != nil {
		return greylist.Triplet{Client: f.Client.String(), Sender: f.Sender, Recipient: f.Recipient}.Code()
	}
	return triplets[0].Code()
}
