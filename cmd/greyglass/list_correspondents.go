package main

import (
	"context"
	"fmt"
	"iter"
	"text/tabwriter"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// knownCorrespondent is a correspondent as 'list --correspondents --json' prints it.
type knownCorrespondent struct {
	Local     string `json:"local"`
	Remote    string `json:"remote"`
	FirstSeen int64  `json:"first_seen"`
	LastSeen  int64  `json:"last_seen"`
}

// knownCorrespondents yields the correspondents of the store. A sender selects those at
// that address, a recipient those of that user; empty: all.
func knownCorrespondents(ctx context.Context, store greylist.Store, sender, recipient string) iter.Seq2[knownCorrespondent, error] {
	remote, local := address.Normalize(sender), address.Normalize(recipient)
	return func(yield func(knownCorrespondent, error) bool) {
		for r, err := range store.Correspondents(ctx) {
			if err == nil && (sender != "" && r.Remote != remote || recipient != "" && r.Local != local) {
				continue
			}
			if !yield(knownCorrespondent{r.Local, r.Remote, r.FirstSeen, r.LastSeen}, err) {
				return
			}
		}
	}
}

func (l *lister) printCorrespondents(correspondents iter.Seq2[knownCorrespondent, error]) error {
	if l.asJSON {
		return printArray(l.out, correspondents, func(c knownCorrespondent) any { return c })
	}
	return printRows(l.out, l.title("LOCAL\tREMOTE\tFIRST SEEN\tLAST SEEN"), correspondents, func(t *tabwriter.Writer, c knownCorrespondent) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", c.Local, c.Remote, listTime(c.FirstSeen, l.zone), listTime(c.LastSeen, l.zone))
	})
}
