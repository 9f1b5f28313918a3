package main

import (
	"context"
	"fmt"
	"iter"
	"text/tabwriter"

	"greyglass/greylist"
)

// knownClient is a client as 'list --clients --json' prints it.
type knownClient struct {
	Client      string `json:"client"`
	Proven      bool   `json:"proven"`
	Passed      int64  `json:"passed"`
	FirstPassed int64  `json:"first_passed"`
	CountedAt   int64  `json:"counted_at"`
	LastSeen    int64  `json:"last_seen"`
}

// knownClients yields all clients of the store, or one.
func knownClients(ctx context.Context, store greylist.Store, proving greylist.Proving, only string) iter.Seq2[knownClient, error] {
	age := greylist.AgeAt(timeOf(store).Unix())
	known := func(r greylist.ClientRecord) knownClient {
		return knownClient{r.Client, proving.Proven(&r.ClientEntry, age), r.Passed, r.FirstPassed, r.CountedAt, r.LastSeen}
	}
	return func(yield func(knownClient, error) bool) {
		if only != "" {
			if e, err := store.Client(ctx, only); err != nil {
				yield(knownClient{}, err)
			} else if e != nil {
				yield(known(greylist.ClientRecord{Client: only, ClientEntry: *e}), nil)
			}
			return
		}
		for r, err := range store.Clients(ctx) {
			if !yield(known(r), err) {
				return
			}
		}
	}
}

func (l *lister) printClients(clients iter.Seq2[knownClient, error]) error {
	if l.asJSON {
		return printArray(l.out, clients, func(c knownClient) any { return c })
	}
	at := func(unix int64) string { return listTime(unix, l.zone) }
	return printRows(l.out, l.title("CLIENT\tPROVEN\tPASSED\tFIRST PASSED\tCOUNTED AT\tLAST SEEN"), clients, func(t *tabwriter.Writer, c knownClient) {
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\n", c.Client, yesOrNo(c.Proven), c.Passed, at(c.FirstPassed), at(c.CountedAt), at(c.LastSeen))
	})
}

// countProven returns how many of the store's clients are proven.
func countProven(ctx context.Context, store greylist.Store, proving greylist.Proving) (proven int64, err error) {
	for c, err := range knownClients(ctx, store, proving, "") {
		if err != nil {
			return 0, err
		}
		if c.Proven {
			proven++
		}
	}
	return proven, nil
}
