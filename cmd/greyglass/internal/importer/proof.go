package importer

import (
	"context"
	"iter"
	"slices"

	"greyglass/greylist"
)

// maxProofs bounds the clients that are kept in memory.
const maxProofs = 500_000

// proof is what a peer knows of a client whose triplets have passed.
type proof struct {
	first, last, passes int64
	at                  []int64 // of those passes that count
}

// maxCounted is how many times are kept of a client: more prove nothing more.
const maxCounted = 20

// prove keeps what an entry says of its client. It returns why it cannot.
func (im *Import) prove(e entry) string {
	if im.Proven == 0 {
		return "clients that have passed, without a recipient; learn.proven_after = 5 would take them"
	}
	key, err := im.Identity.ParseClientKey(e.client.Addr().String())
	if err != nil {
		return err.Error()
	}
	p := im.proofs[key]
	if p == nil {
		if len(im.proofs) == maxProofs {
			return "more clients than fit in memory"
		}
		p = &proof{first: e.first, last: e.last}
		im.proofs[key] = p
	}
	p.first, p.last = min(p.first, e.first, im.Now), min(max(p.last, e.last), im.Now)
	for _, t := range e.at {
		p.count(t)
	}
	p.passes = max(p.passes, e.passes, int64(len(p.at)))
	return ""
}

// count counts a pass unless another is within an hour of it, as the daemon does: a
// burst of mail proves nothing.
func (p *proof) count(t int64) {
	near := func(other int64) bool { return max(t-other, other-t) < hour }
	if len(p.at) < maxCounted && !slices.ContainsFunc(p.at, near) {
		p.at = append(p.at, t)
	}
}

// Clients yields the clients that [Import.List] has read.
func (im *Import) Clients(context.Context) iter.Seq2[greylist.ClientRecord, error] {
	return func(yield func(greylist.ClientRecord, error) bool) {
		for client, p := range im.proofs {
			e := greylist.ClientEntry{FirstPassed: p.first, CountedAt: p.last, Passed: p.passes, LastSeen: p.last}
			if !yield(greylist.ClientRecord{Client: client, ClientEntry: e}, nil) {
				return
			}
		}
	}
}
