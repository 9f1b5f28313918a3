package judge

import (
	"context"

	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// ownClient reports whether an answer is that to a client that may send mail to the
// outside.
func ownClient(a Answer) bool {
	switch a.Reason {
	case greylist.ReasonLocal, greylist.ReasonAuthenticated, greylist.ReasonAllowedClient:
		return a.Verdict == greylist.Accept
	}
	return false
}

// noteSent notes to whom a user writes, if the mail goes out and that is due. The answer
// does not depend on it.
func (j *Judge) noteSent(ctx context.Context, p *Policy, f *rules.Facts, answer Answer) {
	if !p.Outgoing.Teaches() || !ownClient(answer) {
		return
	}
	who, ok := p.Outgoing.Sent(f.Attempt.Sender, f.Attempt.Recipient)
	if since, _ := j.Outage(); !ok || !since.IsZero() {
		return
	}
	j.guarded(p, func() (none Answer) {
		ctx, cancel := context.WithTimeout(ctx, p.Timeout)
		defer cancel()
		if err := j.noteCorrespondent(ctx, p, who); err != nil {
			j.outage.note(j, p.OnError, err, 0)
		}
		return none
	})
}

// noteCorrespondent writes that a user writes to an address outside, unless that was
// written lately.
func (j *Judge) noteCorrespondent(ctx context.Context, p *Policy, who greylist.Correspondent) error {
	e, err := j.memory.Correspondent(ctx, who)
	now := j.now()
	if err != nil || !p.Outgoing.Due(e, now, j.age) {
		return err
	}
	_, err = j.memory.Update(ctx, nil, func([]*greylist.Entry) greylist.Decision {
		return greylist.Decision{Keep: true, Correspondents: &greylist.CorrespondentNotes{Now: now, Records: []greylist.CorrespondentRecord{
			{Correspondent: who, CorrespondentEntry: greylist.CorrespondentEntry{FirstSeen: now, LastSeen: now}},
		}}}
	})
	return err
}
