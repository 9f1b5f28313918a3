package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/report"
	"greyglass/greylist"
	"greyglass/greylist/judge"
)

// worstSenders is the number of domains and networks that stats shows.
const worstSenders = 10

// statsJSON is what 'stats --json' prints.
type statsJSON struct {
	Waiting        int64  `json:"waiting"`
	Passed         int64  `json:"passed"`
	Deferred       int64  `json:"deferred"`
	Accepted       int64  `json:"accepted"`
	OldestWaiting  *int64 `json:"oldest_waiting"` // Unix seconds, null if there is none
	LatestPassed   *int64 `json:"latest_passed"`
	Clients        int64  `json:"clients"` // of which triplets have passed
	Proven         int64  `json:"proven"`  // of them
	Correspondents int64  `json:"correspondents"`
	Bytes          int64  `json:"bytes"`

	HistoryBegins *int64          `json:"history_begins"` // Unix seconds, null if there is none
	Periods       []report.Period `json:"periods"`
	Bars          []report.Bar    `json:"bars"`
	Senders       report.Senders  `json:"senders"`
	KnownSenders  []usedJSON      `json:"known_senders"` // the entries of the list that were ever used

	Observed *report.Observation `json:"observed"` // null unless greylist.mode is observe
}

func (p *program) statsCommand() *cobra.Command {
	var asJSON bool
	var since string
	cmd := &cobra.Command{
		Use:        "stats",
		SuggestFor: []string{"statistics", "report", "summary"},
		Short:      "show what greylisting did in the last day and month",
		Long: `Show the number of triplets now, and what happened in the last day and in the last 30
days: how many recipients were accepted and deferred, how many unknown triplets were
retried and after how long, how many never were; which senders wait most; and which
entries of the list of known senders were ever used. Large
senders stand out whose mail is tried again from another address each time.

With greylist.mode = "observe" it begins with what would have been deferred so far. With
"enforce" it would be less: what is accepted is not retried, so a triplet passes only by
later mail that comes before greylist.max_defer_time, and no client becomes proven. So
many triplets came back anyway.

The history is what the daemon counts by the hour and writes down once a minute. It is
kept for store.history. The senders are those of the newest 200000 triplets.

Times are UTC; with --json, which prints one object, they are Unix seconds.`,
		Example: `  greyglass stats
  greyglass stats --since 7d
  greyglass stats --since 2026-11-01 --json`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := wallClock().Unix()
			periods := []period{{"The last 30 days", now - 30*report.Day}, {"The last 24 hours", now - report.Day}}
			if since != "" {
				from, err := parseSince(since, now)
				if err != nil {
					return &usageError{err, cmd.CommandPath()}
				}
				periods = []period{{"History", from}}
			}
			return p.withStore(cmd, func(ctx context.Context, loaded *config.Loaded, store greylist.Store) error {
				s, err := newStatistics(ctx, store, loaded.Policy, periods, now)
				if err != nil {
					return err
				}
				if asJSON {
					return s.printJSON(p.stdout)
				}
				return s.print(p.stdout)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&since, "since", "", "history since a `TIME`: 7d, 36h, or 2026-11-22 (default: the last day, and the last 30)")
	return cmd
}

// period is the title and beginning of a period.
type period struct {
	title string
	since int64 // Unix seconds
}

// statistics is what stats shows.
type statistics struct {
	greylist.Stats
	proven  int64 // clients
	begins  int64 // the oldest hour of the history that was asked for; zero: there is none
	titles  []string
	periods []report.Period // the longest first
	bars    []report.Bar    // of the shortest
	senders report.Senders
	used    []greylist.Used // entries of lists

	observed *report.Observation // nil unless the greylist only observes
}

func newStatistics(ctx context.Context, store greylist.Store, policy *judge.Policy, periods []period, now int64) (s statistics, err error) {
	if s.Stats, err = store.Stats(ctx); err != nil {
		return s, err
	}
	if s.proven, err = countProven(ctx, store, policy.Proving); err != nil {
		return s, err
	}
	longest := greylist.HourOf(periods[0].since)
	h, err := store.History(ctx, longest)
	if err != nil {
		return s, err
	}
	s.used = h.Used
	if len(h.Answered) > 0 {
		s.begins = h.Answered[0].Hour
	}
	for _, p := range periods {
		since := greylist.HourOf(p.since)
		s.titles = append(s.titles, p.title)
		s.periods = append(s.periods, report.Of(h, since, now, policy.Longest().MaxDeferTime))
		s.bars = report.Bars(h, since, now)
	}
	if policy.Observe {
		o := report.Observe(h, longest, now)
		s.observed = &o
	}
	s.senders, err = report.SendersOf(store.List(ctx, greylist.Filter{Limit: report.MaxRecords}), longest, worstSenders)
	return s, err
}

func (s statistics) print(w io.Writer) error {
	if s.observed != nil {
		s.observed.Print(w)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "waiting\t%d\t(oldest since: %s)\n", s.Waiting, utc(s.OldestWaiting))
	fmt.Fprintf(t, "passed\t%d\t(latest at: %s)\n", s.Passed, utc(s.LatestPassed))
	fmt.Fprintf(t, "deferred\t%d\t(answers to these triplets)\n", s.Deferred)
	fmt.Fprintf(t, "accepted\t%d\t(answers to these triplets)\n", s.Accepted)
	fmt.Fprintf(t, "clients\t%d\t(of which triplets have passed; proven: %d)\n", s.Clients, s.proven)
	fmt.Fprintf(t, "correspondents\t%d\t(to whom users have written)\n", s.Correspondents)
	fmt.Fprintf(t, "database\t%s\n", humanize.IBytes(uint64(s.Bytes)))
	if err := t.Flush(); err != nil {
		return err
	}
	var out bytes.Buffer
	switch first := s.periods[0].Since; {
	case s.begins == 0:
		fmt.Fprintf(&out, "\nNo history since %s: the daemon writes down once a minute what it answered.\n", timeInWords(first))
	case s.begins > first:
		fmt.Fprintf(&out, "\nThe history begins at %s.\n", timeInWords(s.begins))
	}
	if s.begins != 0 {
		for i, p := range s.periods {
			p.Print(&out, s.titles[i])
		}
		report.PrintBars(&out, s.bars)
	}
	if err := s.senders.Print(&out); err != nil {
		return err
	}
	if err := printUsed(&out, s.used); err != nil {
		return err
	}
	_, err := out.WriteTo(w)
	return err
}

// printUsed prints which entries of the list of known senders were ever used.
func printUsed(w io.Writer, used []greylist.Used) error {
	if len(used) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nEntries of the list of known senders that were ever used: %d\n", len(used))
	fmt.Fprintln(t, "  ENTRY\tLAST USED")
	for _, u := range used {
		fmt.Fprintf(t, "  %s\t%s\n", u.Entry, utc(u.At))
	}
	return t.Flush()
}

// usedJSON is an entry of the list of known senders as 'stats --json' prints it.
type usedJSON struct {
	Entry  string `json:"entry"`
	UsedAt int64  `json:"used_at"`
}

func (s statistics) printJSON(w io.Writer) error {
	used := []usedJSON{}
	for _, u := range s.used {
		used = append(used, usedJSON{u.Entry, u.At})
	}
	return json.NewEncoder(w).Encode(statsJSON{s.Waiting, s.Passed, s.Deferred, s.Accepted,
		orNull(s.OldestWaiting), orNull(s.LatestPassed), s.Clients, s.proven, s.Correspondents, s.Bytes,
		orNull(s.begins), s.periods, s.bars, s.senders, used, s.observed})
}

func orNull(unix int64) *int64 {
	if unix == 0 {
		return nil
	}
	return &unix
}
