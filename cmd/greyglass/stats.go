package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
)

// statsJSON is what 'stats --json' prints.
type statsJSON struct {
	Waiting       int64  `json:"waiting"`
	Passed        int64  `json:"passed"`
	Deferred      int64  `json:"deferred"`
	Accepted      int64  `json:"accepted"`
	OldestWaiting *int64 `json:"oldest_waiting"` // Unix seconds, null if there is none
	LatestPassed  *int64 `json:"latest_passed"`
	Bytes         int64  `json:"bytes"`
}

func (p *program) statsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "count what is remembered",
		Long: `Count the triplets that are remembered, by state, and the answers that they were
given. Times are UTC; with --json they are Unix seconds.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withStore(cmd, func(ctx context.Context, _ *config.Loaded, store greylist.Store) error {
				s, err := store.Stats(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(p.stdout).Encode(statsJSON{s.Waiting, s.Passed, s.Deferred, s.Accepted,
						orNull(s.OldestWaiting), orNull(s.LatestPassed), s.Bytes})
				}
				t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
				fmt.Fprintf(t, "waiting\t%d\t(oldest since: %s)\n", s.Waiting, clock(s.OldestWaiting))
				fmt.Fprintf(t, "passed\t%d\t(latest at: %s)\n", s.Passed, clock(s.LatestPassed))
				fmt.Fprintf(t, "deferred\t%d\t(answers to these triplets)\n", s.Deferred)
				fmt.Fprintf(t, "accepted\t%d\t(answers to these triplets)\n", s.Accepted)
				fmt.Fprintf(t, "database\t%s\n", humanize.IBytes(uint64(s.Bytes)))
				return t.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func orNull(unix int64) *int64 {
	if unix == 0 {
		return nil
	}
	return &unix
}
