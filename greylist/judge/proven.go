package judge

import (
	"context"

	"greyglass/greylist"
	"greyglass/greylist/rules"
	"greyglass/greylist/timeout"
)

// clients looks clients and correspondents up in the judge's memory, within the policy's
// timeout.
type clients Judge

func (c *clients) Client(ctx context.Context, client string) (*greylist.ClientEntry, error) {
	limited := timeout.With(ctx, (*Judge)(c).Policy().Timeout)
	defer limited.End()
	return c.memory.Client(limited, client)
}

// known is how facts find out whether the client is proven; nil if none ever is.
func (p *Policy) known(clients rules.Clients, now func() int64, age greylist.Age) *rules.Known {
	if p.Proving.After == 0 {
		return nil
	}
	return &rules.Known{Clients: clients, Proving: p.Proving, Identity: p.Identity, Now: now, Age: age}
}

// counting returns the row of the client if the triplet passes; nil if the pass does not
// count. Where the greylist only observes, nothing has waited. Under windows with a shorter
// MaxGrey, one triplet could count several times.
func (j *Judge) counting(ctx context.Context, p *Policy, f *rules.Facts, windows greylist.Windows, client string) (*greylist.ClientWrite, error) {
	if f.Known == nil || p.Observe || windows.MaxGrey < p.Proving.MaxGrey {
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

// refreshing returns the answer, and before writes that a proven client goes on sending if
// that is due. The answer does not depend on whether it can be written.
func (j *Judge) refreshing(ctx context.Context, p *Policy, f *rules.Facts, answer Answer) Answer {
	if answer.Verdict != greylist.Accept {
		return answer
	}
	w := f.RefreshedClient()
	if w == nil {
		return answer
	}
	if since, _ := j.Outage(); !since.IsZero() {
		return answer
	}
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	_, err := j.memory.Update(ctx, nil, func([]*greylist.Entry) greylist.Decision {
		return greylist.Decision{Keep: true, Client: w}
	})
	if err != nil {
		j.outage.note(j, p.OnError, err, 0)
		return answer
	}
	f.NoteClient(*w)
	return answer
}
