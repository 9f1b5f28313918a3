package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"greyglass/greylist"
	"greyglass/greylist/judge"
)

func (p *program) passCommand() *cobra.Command {
	return &cobra.Command{
		Use:        "pass CLIENT SENDER RECIPIENT",
		SuggestFor: []string{"allow", "whitelist", "unblock", "accept", "permit"},
		Short:      "let a triplet through from now on",
		Long: `Remember a triplet as let through now, whether it was seen before or not: its next
mail is accepted, as if it had waited. For mail that should never wait, write a
rule into the configuration instead; this is forgotten when the triplet has been
silent for greylist.max_grey.

` + envelopeHelp + `
A client at an address is let through from that address, also where clients are known
by their provider; its next mail lets the provider through. spf:DOMAIN or name:DOMAIN lets
all addresses of the provider through at once.`,
		Example: `  greyglass pass 203.0.113.7 ann@example.net bob@example.org`,
		Args:    envelopeArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.changeTriplet(cmd, args, func(ctx context.Context, _ *judge.Policy, store greylist.Store, t greylist.Triplet) error {
				now := timeOf(store).Unix()
				_, err := store.Update(ctx, []greylist.Triplet{t}, func(remembered []*greylist.Entry) greylist.Decision {
					return greylist.Decision{Remember: greylist.PassNow(remembered[0], now)}
				})
				if err == nil {
					fmt.Fprintf(p.stdout, "passed: %s\n", t)
				}
				return err
			})
		},
	}
}
