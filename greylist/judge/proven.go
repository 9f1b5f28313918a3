package judge

import (
	"context"

	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// counting returns the row of the client if the triplet passes; nil if the pass does not
// count. Where the greylist only observes, nothing has waited. Under windows with a shorter
// MaxGrey, one triplet could count several times.
func (j *Judge) counting(ctx context.Context, p *Policy, f *rules.Facts, windows greylist.Windows, client string) (*greylist.ClientWrite, error) {
	if p.Proving.After == 0 || p.Observe || windows.MaxGrey < p.Proving.MaxGrey {
		return nil, nil
	}
	before, err := f.KnownClient(ctx, client)
	if err != nil {
		return nil, err
	}
	after, write := p.Proving.Count(before, j.now(), j.age)
	if !write {
		return nil, nil
	}
	return &greylist.ClientWrite{Client: client, Before: before, After: after}, nil
}

// refreshClient writes that a proven client goes on sending, if that is due. The answer does
// not depend on whether it can be written.
func (j *Judge) refreshClient(ctx context.Context, p *Policy, f *rules.Facts, answer Answer) {
	if answer.Verdict != greylist.Accept {
		return
	}
	w := f.RefreshedClient()
	if w == nil {
		return
	}
	if since, _ := j.Outage(); !since.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	_, err := j.memory.Update(ctx, nil, func([]*greylist.Entry) greylist.Decision {
		return greylist.Decision{Keep: true, Client: w}
	})
	if err != nil {
		j.outage.note(j, p.OnError, err, 0)
		return
	}
	f.NoteClient(*w)
}
