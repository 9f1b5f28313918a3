package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/action"
	"greyglass/greylist"
	"greyglass/greylist/judge"
)

func (p *program) passCommand() *cobra.Command {
	many := bulkChange{waiting: true, verb: "pass", done: "passed: %s", change: passNow}
	cmd := &cobra.Command{
		Use:        "pass CLIENT SENDER RECIPIENT | --sender PATTERN ...",
		SuggestFor: []string{"allow", "whitelist", "unblock", "accept", "permit", "approve", "allowlist", "add", "let"},
		Short:      "let a triplet through from now on",
		Long: `Remember a triplet as let through now, whether it was seen before or not: its next
mail is accepted, as if it had waited. For mail that should never wait, write a
rule into the configuration instead; this is forgotten when the triplet has been
silent for greylist.max_grey.

` + envelopeHelp + `

It says what happens to the next attempt: something that comes before the greylist, such as
the blocked list, may still keep the mail out.

A client at an address is let through from that address, also where clients are known
by their provider; its next mail lets the provider through. spf:DOMAIN or name:DOMAIN lets
all addresses of the provider through at once.

With --sender, --recipient or --domain, let all triplets that wait and are selected through,
once that is confirmed.`,
		Example: `  greyglass pass 203.0.113.7 ann@example.net bob@example.org
  greyglass pass --domain shop.example --recipient bob@example.org`,
		Args: func(cmd *cobra.Command, args []string) error {
			if many.given(cmd) {
				return arguments()(cmd, args)
			}
			return envelopeArguments(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if many.given(cmd) {
				return many.run(p, cmd)
			}
			return p.changeTriplet(cmd, args, func(ctx context.Context, policy *judge.Policy, store greylist.Store, t greylist.Triplet) error {
				if err := passNow(ctx, store, t); err != nil {
					return err
				}
				p.noted(t)
				fmt.Fprintf(p.stdout, "passed: %s\n", t)
				p.sayNext(ctx, policy, store, t)
				return nil
			})
		},
	}
	many.flags(cmd)
	p.inJSON(cmd)
	return cmd
}

// passNow remembers a triplet as let through now.
func passNow(ctx context.Context, store greylist.Store, t greylist.Triplet) error {
	_, _, err := action.Pass(ctx, store, t, timeOf(store).Unix())
	return err
}
