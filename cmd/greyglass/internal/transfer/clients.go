package transfer

import (
	"context"
	"iter"

	"greyglass/greylist"
)

// ClientSource yields clients, as a store does.
type ClientSource interface {
	Clients(ctx context.Context) iter.Seq2[greylist.ClientRecord, error]
}

// CopyClients copies the clients that the target does not know, or of which the source
// knows something else; see [greylist.MergeClients].
func CopyClients(ctx context.Context, source ClientSource, target greylist.Store) (sum Transferred, err error) {
	for r, err := range source.Clients(ctx) {
		if err != nil {
			return sum, err
		}
		sum.Seen++
		there, err := target.Client(ctx, r.Client)
		if err != nil {
			return sum, err
		}
		merged := r.ClientEntry
		if there != nil {
			merged = greylist.MergeClients(*there, merged)
		}
		if there != nil && merged == *there {
			continue
		}
		_, err = target.Update(ctx, nil, func([]*greylist.Entry) greylist.Decision {
			return greylist.Decision{Keep: true, Client: &greylist.ClientWrite{Client: r.Client, Before: there, After: merged}}
		})
		if err != nil {
			return sum, err
		}
		sum.Written++
	}
	return sum, nil
}
