package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
	"greyglass/greylist/judge"
)

// lister is the command 'greyglass list'.
type lister struct {
	selection
	waiting, passed, all bool
	wide, noHeader       bool
	asJSON               bool
	clients              bool
	correspondents       bool
	reason, since, sort  string
	zone                 *time.Location
	limit                int
	now                  int64
	policy               *judge.Policy
	out                  *bufio.Writer
}

// terminalLimit is how many triplets are shown on a terminal unless more are asked for.
const terminalLimit = 50

func (p *program) listCommand() *cobra.Command {
	var l lister
	cmd := &cobra.Command{
		Use:        "list",
		SuggestFor: []string{"show", "ls", "dump", "triplets", "find", "search", "grep", "query", "queue", "greylist", "whitelisted"},
		Short:      "list the triplets",
		Long: `Show the stored triplets, the oldest first. A triplet's state is waiting; late, if the
next attempt begins a new wait; or passed. Times are local on a terminal, with the zone
named, and UTC elsewhere.

On a terminal, show the newest 50, cut to its width, with their age and the time from
which on a retry passes. (That is by the greylist's windows. A [[rule]] may have others,
which greyglass explain shows.) With --wide, show all columns. To a file or another
program, show all triplets and all columns, separated by tabs.

With --json, print one array of objects. Each has the columns of the database's table
(times in Unix seconds, null if it has not happened), the state, waiting or passed, the
time from which on a retry passes, and whether the triplet is late.

With --clients, show the clients of which triplets have passed the greylist: the number
of passes that count, the times of the first and of the last one, the time when mail of
the client was last accepted as proven or a triplet of it passed, and whether the client
is proven (learn.proven_after).

With --correspondents, show the addresses to which users have written (learn.outbound):
the user, the address, and the times of the first and of the last mail. --recipient
selects a user, and --sender an address.`,
		Example: `  greyglass list --waiting --limit 20
  greyglass list --domain shop.example --since 2d
  greyglass list --recipient bob@example.org --reason too-late
  greyglass list --client 203.0.113.0/24 --json
  greyglass list --clients
  greyglass list --correspondents --recipient bob@example.org`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l.zone = p.zone(l.asJSON)
			if err := l.check(cmd); err != nil {
				return err
			}
			loaded, err := p.loadWithoutLists(cmd)
			if err != nil {
				return err
			}
			l.policy = loaded.Policy
			return p.inStore(cmd, loaded, func(ctx context.Context, _ *config.Loaded, store greylist.Store) error {
				l.out = bufio.NewWriter(p.stdout)
				return errors.Join(l.list(ctx, store, p.stdout, p.stderr), l.out.Flush())
			})
		},
	}
	l.flags(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&l.waiting, "waiting", false, "only those that wait")
	flags.BoolVar(&l.passed, "passed", false, "only those that have passed")
	flags.StringVar(&l.reason, "reason", "", "only those whose next attempt would have this `REASON` now, such as too-late")
	flags.StringVar(&l.since, "since", "", "only those that came since "+sinceHelp+"; may show up to an hour more")
	flags.StringVar(&l.sort, "sort", "", "sort by `COLUMN`: "+strings.Join(slices.Sorted(maps.Keys(orders)), ", ")+" (default: as they were stored)")
	flags.IntVar(&l.limit, "limit", 0, "at most `N`, the last in this order (default: 50 on a terminal, else all)")
	flags.BoolVar(&l.all, "all", false, "all, also on a terminal")
	flags.BoolVar(&l.wide, "wide", false, "all columns, also on a terminal")
	flags.BoolVar(&l.noHeader, "no-header", false, "no line with the names of the columns")
	flags.BoolVar(&l.asJSON, "json", false, "print JSON")
	flags.BoolVar(&l.clients, "clients", false, "the clients of which triplets have passed")
	flags.BoolVar(&l.correspondents, "correspondents", false, "the addresses to which users have written")
	return cmd
}

// orders are the columns by which the list can be sorted.
var orders = map[string]func(a, b greylist.Record) int{
	"client":        func(a, b greylist.Record) int { return strings.Compare(a.Client, b.Client) },
	"sender":        func(a, b greylist.Record) int { return strings.Compare(a.Sender, b.Sender) },
	"recipient":     func(a, b greylist.Record) int { return strings.Compare(a.Recipient, b.Recipient) },
	"first_attempt": func(a, b greylist.Record) int { return cmp.Compare(a.Attempted(), b.Attempted()) },
	"first_seen":    func(a, b greylist.Record) int { return cmp.Compare(a.FirstSeen, b.FirstSeen) },
	"last_seen":     func(a, b greylist.Record) int { return cmp.Compare(a.LastSeen, b.LastSeen) },
	"deferred":      func(a, b greylist.Record) int { return cmp.Compare(a.Deferred, b.Deferred) },
	"accepted":      func(a, b greylist.Record) int { return cmp.Compare(a.Accepted, b.Accepted) },
}

// check checks the flags as far as that needs no configuration.
func (l *lister) check(cmd *cobra.Command) error {
	reasons := []greylist.Reason{greylist.ReasonAlreadyGrey, greylist.ReasonGreyTooLong, greylist.ReasonNowGrey,
		greylist.ReasonTooLate, greylist.ReasonTooSoon, greylist.ReasonWayTooSoon}
	if err := checkReason(l.reason, reasons, false); err != nil {
		return usage(cmd, "%w", err)
	}
	switch {
	case l.limit < 0:
		return usage(cmd, "--limit is negative")
	case l.sort != "" && orders[l.sort] == nil:
		return usage(cmd, "--sort takes one of %s, and %q is none", strings.Join(slices.Sorted(maps.Keys(orders)), ", "), l.sort)
	}
	if l.since != "" {
		if _, err := parseSince(l.since, wallClock().Unix(), l.zone); err != nil {
			return usage(cmd, "%w", err)
		}
	}
	ofTriplets := func(more ...string) bool {
		return slices.ContainsFunc(append(more, "waiting", "passed", "reason", "since", "sort", "limit", "domain"), cmd.Flags().Changed)
	}
	if l.correspondents {
		if ofTriplets("client", "clients") {
			return usage(cmd, "--correspondents can only be combined with --sender, --recipient and --json")
		}
		return nil
	}
	if l.clients {
		if ofTriplets("sender", "recipient") {
			return usage(cmd, "--clients can only be combined with --client and --json")
		}
		if _, err := clientOf(l.client); l.client != "" && err != nil {
			return usage(cmd, "--client %w", err)
		}
		return nil
	}
	return l.parse(cmd)
}

func (l *lister) list(ctx context.Context, store greylist.Store, stdout, stderr io.Writer) error {
	l.now = timeOf(store).Unix()
	if l.clients {
		only := ""
		if l.client != "" {
			var err error
			if only, err = l.policy.Identity.ParseClientKey(l.client); err != nil {
				return err
			}
		}
		return l.printClients(knownClients(ctx, store, l.policy.Proving, only))
	}
	if l.correspondents {
		return l.printCorrespondents(knownCorrespondents(ctx, store, l.sender, l.recipient))
	}
	width := terminalWidth(stdout)
	f := l.filter(l.policy)
	f.Waiting, f.Passed, f.Limit = l.waiting, l.passed, l.limit
	if l.since != "" {
		f.Since, _ = parseSince(l.since, l.now, l.zone)
		f.Since -= l.policy.Longest().RefreshStep() // by which the time of those that have passed may lag
	}
	if l.reason != "" {
		others := f.Only
		f.Only = func(r greylist.Record) bool {
			return l.policy.Windows.Decide(&r.Entry, l.now).Reason == greylist.Reason(l.reason) && (others == nil || others(r))
		}
	}
	if f.Limit == 0 && width > 0 && !l.all && !l.asJSON {
		f.Limit = terminalLimit
	}
	limit, narrow := f.Limit, width > 0 && !l.wide && !l.asJSON
	switch {
	case l.sort != "":
		f.Limit = 0
	case limit > 0 && narrow:
		f.Limit++ // one more tells whether there are more
	}
	progress := listProgress{store: store, out: stderr, began: wallClock()}
	f.Progress = func(records int64) {
		_ = l.out.Flush() // what is found is shown at once
		if terminalWidth(stderr) > 0 {
			progress.tell(ctx, records)
		}
	}
	defer progress.end()
	records, matching := store.List(ctx, f), new(int64)
	if l.sort != "" {
		records = last(records, matching, orders[l.sort], limit)
	}
	switch {
	case l.asJSON:
		return l.printJSON(records)
	case width == 0:
		return l.printTabs(records)
	case l.wide:
		return l.printWide(records)
	}
	shown, err := l.printNarrow(records, width, limit)
	if err != nil || limit == 0 {
		return err
	}
	return l.printFooter(ctx, store, f, shown, *matching)
}

// last yields the last of the records in an order, as many as limit says; zero: all. It counts
// all records.
func last(records iter.Seq2[greylist.Record, error], n *int64, order func(a, b greylist.Record) int, limit int) iter.Seq2[greylist.Record, error] {
	return func(yield func(greylist.Record, error) bool) {
		var all []greylist.Record
		cut := func() {
			slices.SortStableFunc(all, order)
			if limit > 0 && len(all) > limit {
				all = append(all[:0], all[len(all)-limit:]...)
			}
		}
		for r, err := range records {
			if err != nil {
				yield(r, err)
				return
			}
			*n++
			if all = append(all, r); limit > 0 && len(all) > 2*limit+1000 {
				cut()
			}
		}
		cut()
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
	}
}
