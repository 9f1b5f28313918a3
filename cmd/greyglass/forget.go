package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/judge"
)

func (p *program) forgetCommand() *cobra.Command {
	return &cobra.Command{
		Use:        "forget CLIENT SENDER RECIPIENT",
		SuggestFor: []string{"delete", "remove", "rm", "del", "reset"},
		Short:      "forget a triplet, which makes it unknown again",
		Long: `Forget a triplet: its next mail is deferred as that of an unknown one. If it is unknown
already, say so and exit with status 1.

` + envelopeHelp,
		Example: `  greyglass forget 203.0.113.7 ann@example.net bob@example.org`,
		Args:    envelopeArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.changeTriplet(cmd, args, func(ctx context.Context, policy *judge.Policy, store greylist.Store, t greylist.Triplet) error {
				forgotten := false
				for _, sender := range policy.SenderForms(args[1]) {
					for _, recipient := range address.Forms(args[2]) {
						t := greylist.Triplet{Client: t.Client, Sender: sender, Recipient: recipient}
						known, err := store.Forget(ctx, t)
						if err != nil {
							return err
						}
						if known {
							forgotten = true
							fmt.Fprintf(p.stdout, "forgotten: %s\n", t)
						}
					}
				}
				if !forgotten {
					return fmt.Errorf("nothing is known of %s", t)
				}
				return nil
			})
		},
	}
}
