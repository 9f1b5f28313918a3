package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/judge"
)

func (p *program) forgetCommand() *cobra.Command {
	var client string
	var correspondent bool
	many := bulkChange{verb: "forget", done: "forgotten: %s", next: "the next mail of each is judged as that of an unknown sender", change: func(ctx context.Context, store greylist.Store, t greylist.Triplet) error {
		_, err := store.Forget(ctx, t)
		return err
	}}
	cmd := &cobra.Command{
		Use:        "forget CLIENT SENDER RECIPIENT | --sender PATTERN ... | --client CLIENT | --correspondent LOCAL REMOTE",
		SuggestFor: []string{"delete", "remove", "rm", "del", "reset", "clear", "flush", "purge", "unlist", "erase"},
		Short:      "forget a triplet, a client, or a correspondent",
		Long: `Remove a triplet from the database, so that it is unknown, and its next mail is
deferred. If it is unknown already, say so and exit with status 1.

` + envelopeHelp + `

If CLIENT is an address, a triplet that is stored under the client's provider or name is
not removed, because it also belongs to other addresses. The command shows it, so that
you can forget it under that name.

With --sender, --recipient or --domain, forget all selected triplets. The command asks
for confirmation.

With --client, forget how many triplets of a client have passed, so that it is no longer
proven (learn.proven_after). Its triplets stay.

With --correspondent, forget that the user LOCAL has written to the address REMOTE
(learn.outbound).`,
		Example: `  greyglass forget 203.0.113.7 ann@example.net bob@example.org
  greyglass forget --recipient bob@example.org
  greyglass forget --client 203.0.113.7
  greyglass forget --correspondent bob@example.org ann@example.net`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case client != "" && correspondent:
				return usage(cmd, "--client and --correspondent are different things to forget")
			case many.given(cmd) && (client != "" || correspondent):
				return usage(cmd, "--sender, --recipient and --domain select triplets, and cannot be combined with --client or --correspondent")
			case many.given(cmd):
				return arguments()(cmd, args)
			case client != "":
				return arguments()(cmd, args)
			case correspondent:
				return arguments("LOCAL", "REMOTE")(cmd, args)
			}
			return envelopeArguments(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case many.given(cmd):
				return many.run(p, cmd)
			case client != "":
				return p.forgetClient(cmd, client)
			case correspondent:
				return p.forgetCorrespondent(cmd, args[0], args[1])
			}
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
							p.noted(t)
							fmt.Fprintf(p.stdout, "forgotten: %s\n", t)
						}
					}
				}
				others, err := otherClients(ctx, policy, store, args)
				if err != nil {
					return err
				}
				switch {
				case !forgotten && len(others) > 0:
					return fmt.Errorf("nothing is known of %s; to forget %s, write that client", t, strings.Join(others, " or "))
				case !forgotten:
					return fmt.Errorf("nothing is known of %s", t)
				}
				for _, other := range others {
					fmt.Fprintf(p.stdout, "still stored: %s; to forget it, name that client\n", other)
				}
				p.sayNext(ctx, policy, store, t)
				return nil
			})
		},
	}
	many.flags(cmd)
	p.inJSON(cmd)
	cmd.Flags().StringVar(&client, "client", "", "forget how often this `CLIENT` has passed: an address, or as 'greyglass list --clients' shows it")
	cmd.Flags().BoolVar(&correspondent, "correspondent", false, "forget that a user has written to an address")
	return cmd
}

// forgetClient forgets how often a client has passed.
func (p *program) forgetClient(cmd *cobra.Command, client string) error {
	loaded, err := p.loadWithoutLists(cmd)
	if err != nil {
		return err
	}
	key, err := loaded.Policy.Identity.ParseClientKey(client)
	if err != nil {
		return clientError(cmd, err)
	}
	return p.changing(cmd, nil, loaded, func(ctx context.Context, _ *judge.Policy, store greylist.Store) error {
		known, err := store.ForgetClient(ctx, key)
		switch {
		case err != nil:
			return err
		case !known:
			return fmt.Errorf("no triplet of %s is known to have passed", key)
		}
		fmt.Fprintf(p.stdout, "forgotten: %s\n", key)
		return nil
	})
}

// forgetCorrespondent forgets that a user has written to an address.
func (p *program) forgetCorrespondent(cmd *cobra.Command, local, remote string) error {
	loaded, err := p.loadWithoutLists(cmd)
	if err != nil {
		return err
	}
	return p.changing(cmd, []string{local, remote}, loaded, func(ctx context.Context, _ *judge.Policy, store greylist.Store) error {
		c := greylist.Correspondent{Local: address.Normalize(local), Remote: address.Normalize(remote)}
		known, err := store.ForgetCorrespondent(ctx, c)
		switch {
		case err != nil:
			return err
		case !known:
			return fmt.Errorf("%s is not known to have written to %s", c.Local, c.Remote)
		}
		fmt.Fprintf(p.stdout, "forgotten: %s has written to %s\n", c.Local, c.Remote)
		return nil
	})
}

// otherClients returns the triplets of the same sender and recipient whose client is
// known by its provider or its name, if the command's client is an address.
func otherClients(ctx context.Context, policy *judge.Policy, store greylist.Store, args []string) (others []string, err error) {
	if _, isIdentity, _ := greylist.ParseIdentity(args[0]); isIdentity || !policy.Provides() {
		return nil, nil
	}
	filter := greylist.Filter{Senders: policy.SenderForms(args[1]), Recipients: address.Forms(args[2])}
	for r, err := range store.List(ctx, filter) {
		if err != nil {
			return nil, err
		}
		if _, ok, _ := greylist.ParseIdentity(r.Client); ok {
			others = append(others, r.Triplet.String())
		}
	}
	return others, nil
}
