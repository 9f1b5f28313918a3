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
		Short:      "let a triplet pass from now on",
		Long: `Store a triplet as passed now, whether it is known or not: its next mail is accepted, as
if it had waited. The triplet expires when no mail has come for greylist.max_grey. For
mail that should never wait, write a rule into the configuration.

` + envelopeHelp + `

The command says what happens to the next attempt, because a rule before the greylist,
such as the blocked list, may still defer or deny the mail.

If CLIENT is an address, the triplet passes from that address. Where clients are known
by their provider, its next mail then lets the whole provider pass. With spf:DOMAIN or
name:DOMAIN, all addresses of the provider pass at once.

With --sender, --recipient or --domain, let all selected triplets that wait pass. The
command asks for confirmation.`,
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

// passNow stores a triplet as passed now.
func passNow(ctx context.Context, store greylist.Store, t greylist.Triplet) error {
	_, _, err := action.Pass(ctx, store, t, timeOf(store).Unix())
	return err
}
