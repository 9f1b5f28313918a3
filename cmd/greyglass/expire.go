package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
	"greyglass/greylist/upkeep"
)

func (p *program) expireCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:        "expire",
		SuggestFor: []string{"clean", "cleanup", "vacuum", "sweep", "prune"},
		Short:      "remove expired triplets now",
		Long: `Remove expired rows: triplets that have waited for more than twice
greylist.max_defer_time; triplets that have passed, and clients of which triplets have
passed, if no mail has come for more than twice greylist.max_grey; and correspondents to
whom no user has written for learn.keep. This never changes a verdict.

The daemon does this by itself, in the background. This command does it at once, in
small steps, so that mail does not wait.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withStore(cmd, func(ctx context.Context, loaded *config.Loaded, store greylist.Store) error {
				clock := newClock(slog.New(slog.DiscardHandler))
				clock.Follow(func() time.Duration { return aheadOf(store) })
				sweeper := upkeep.Expirer{
					Store:   store,
					Windows: func() greylist.Windows { return loaded.Policy.Longest() },
					Keep:    func() int64 { return loaded.Policy.Outgoing.Keep },
					Clock:   clock,
					Pause:   2 * time.Millisecond,
				}
				if err := p.record(ctx, store, wordsOf(cmd, nil)); err != nil {
					return err
				}
				removed, err := sweeper.Sweep(ctx)
				if asJSON {
					return errors.Join(err, printObject(p.stdout, map[string]int{"removed": removed}))
				}
				fmt.Fprintf(p.stdout, "removed: %s\n", humanize.Comma(int64(removed)))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
