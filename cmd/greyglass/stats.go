package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/report"
	"greyglass/greylist"
)

// worstSenders is the number of domains and networks, clients or recipients that stats shows.
const worstSenders = 10

func (p *program) statsCommand() *cobra.Command {
	var asJSON, brief, inUTC bool
	var since, from, to, by string
	cmd := &cobra.Command{
		Use:        "stats",
		SuggestFor: []string{"statistics", "report", "summary", "history", "count", "counts"},
		Short:      "show what greylisting did in the last day and month",
		Long: `Show what happened in the last day and in the last 30 days, first in one or two
sentences, then in tables: how many recipients were accepted and deferred; how many new
triplets came back, after how long, and how many never did; which senders wait most;
which entries of the built-in list of known senders were used; and the number of
triplets now. The networks of large senders that retry from another address each time
are listed on their own.

With greylist.mode = "observe" it begins with what would have been deferred so far, and
how many of these triplets came back anyway. With "enforce" less would be deferred: in
observe mode nobody retries, so a triplet passes only by later mail that comes before
greylist.max_defer_time, and no client becomes proven.

The daemon counts by the hour, writes the counts to the database once a minute, and
keeps them for store.history. So --from and --to are rounded to whole hours in UTC.
Attempts of doctor and probe do not count. The lists of senders cover the newest 100000
triplets of the time. In a large database the numbers of triplets are estimated from a
sample, and begin with "about"; with --json, "estimated" is then true.

Times are local on a terminal, and UTC elsewhere. With --json, which prints one object,
they are Unix seconds, with RFC 3339 beside them.`,
		Example: `  greyglass stats
  greyglass stats --brief
  greyglass stats --from 7d --by recipient
  greyglass stats --from 2026-11-01 --to 2026-11-08 --json`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := wallClock().Unix()
			page := report.Page{Zone: p.zone(inUTC || asJSON), Width: pageWidth}
			if width := terminalWidth(p.stdout); width > 0 && !asJSON {
				page.Width = width
			}
			if from == "" {
				from = since
			} else if since != "" {
				return usage(cmd, "--since and --from are the same; give one of them")
			}
			if brief && asJSON {
				return usage(cmd, "--brief is for people; --json has all numbers")
			}
			if brief && by != "" {
				return usage(cmd, "--brief shows no tables, and --by is one; give one of them")
			}
			periods, err := periodsOf(from, to, now, page.Zone)
			if err == nil && by != "" && report.Keys[by] == nil {
				err = fmt.Errorf("--by takes one of %s, and %q is none", strings.Join(slices.Sorted(maps.Keys(report.Keys)), ", "), by)
			}
			if err != nil {
				return usage(cmd, "%w", err)
			}
			return p.withStore(cmd, func(ctx context.Context, loaded *config.Loaded, store greylist.Store) error {
				s := statistics{by: by, brief: brief, page: page}
				if err := s.collect(ctx, store, loaded, periods, now); err != nil {
					return err
				}
				if asJSON {
					return s.printJSON(p.stdout)
				}
				return s.print(p.stdout)
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	flags.BoolVar(&brief, "brief", false, "only the sentences at the beginning")
	flags.StringVar(&since, "since", "", "the same as --from")
	flags.StringVar(&from, "from", "", "history since a `TIME`: 7d, 36h, or 2026-11-22 (default: the last day, and the last 30)")
	flags.StringVar(&to, "to", "", "with --from: history before a `TIME`")
	flags.StringVar(&by, "by", "", "count triplets by `KEY`: the sender's domain, the client, or the recipient")
	flags.BoolVar(&inUTC, "utc", false, "show times in UTC, also on a terminal")
	return cmd
}

// statistics is what stats shows.
type statistics struct {
	by    string // a key of report.Keys; empty: the senders
	brief bool   // only the headline
	page  report.Page

	greylist.Stats
	estimated bool // the numbers of triplets and answers

	// What is not learned, and was not earlier, is not counted: nil.
	clients, proven, correspondents *int64

	begins  int64 // the oldest hour of the history that was asked for; zero: there is none
	asked   []period
	periods []report.Period // the longest first
	bars    []report.Bar    // of the shortest
	senders *report.Senders // nil with by
	groups  *report.Groups  // nil without by
	used    []greylist.Used

	observed *report.Observation // nil unless the greylist only observes
}

func (s *statistics) collect(ctx context.Context, store greylist.Store, loaded *config.Loaded, periods []period, now int64) error {
	policy := loaded.Policy
	longest := periods[0]
	h, err := store.History(ctx, longest.Since)
	if err != nil {
		return err
	}
	s.used = h.Used
	if len(h.Answered) > 0 {
		s.begins = h.Answered[0].Hour
	}
	s.asked = periods
	for _, p := range periods {
		part := p.of(h)
		sum := report.Of(part, p.Since, now, policy.Longest().MaxDeferTime)
		sum.Until = p.until
		s.periods = append(s.periods, sum)
		s.bars = report.Bars(part, p.Since, p.until, s.page.Zone)
	}
	if policy.Observe {
		o := report.Observe(longest.of(h), longest.Since, longest.until, s.page.Zone)
		s.observed = &o
	}
	if s.brief {
		return nil
	}
	if s.Stats, s.estimated, err = greylist.EstimateStats(ctx, store); err != nil {
		return err
	}
	if err := s.collectLearned(ctx, store, loaded); err != nil {
		return err
	}
	newest := store.List(ctx, greylist.Filter{Limit: report.MaxRecords})
	if s.by != "" {
		groups, err := report.GroupsBy(s.by, newest, longest.Time, worstSenders)
		s.groups = &groups
		return err
	}
	senders, err := report.SendersOf(newest, longest.Time, worstSenders)
	s.senders = &senders
	return err
}

func (s *statistics) collectLearned(ctx context.Context, store greylist.Store, loaded *config.Loaded) error {
	proving := loaded.Policy.Proving
	if proving.After > 0 || s.Clients > 0 {
		s.clients = &s.Clients
	}
	if loaded.Config.Learn.Outbound || s.Correspondents > 0 {
		s.correspondents = &s.Correspondents
	}
	if proving.After == 0 {
		return nil
	}
	proven, err := countProven(ctx, store, proving)
	s.proven = &proven
	return err
}
