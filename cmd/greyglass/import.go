package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/importer"
	"greyglass/cmd/greyglass/internal/transfer"
	"greyglass/greylist"
)

func (p *program) importCommand() *cobra.Command {
	var dry, asJSON bool
	var delay, keep string
	var ipv4, ipv6 int
	cmd := &cobra.Command{
		Use:   "import KIND SOURCE",
		Short: "take over the data of another greylisting program",
		Long: `Take over the triplets of another greylisting program, and the clients that it always
accepts. The daemon may run meanwhile. KIND and SOURCE are

  postgrey         its folder, such as /var/lib/postgrey, one of its databases,
                   or the output of db_dump; databases are read by db_dump, of
                   Debian's package db-util
  sqlgrey          its SQLite file, or a dump of its tables by mysqldump or
                   pg_dump
  milter-greylist  its dump file, greylist.db
  spamd            the output of spamdb

SOURCE may be '-', standard input. Stop the other program first, so that its files are
complete.

If both know a triplet, the entry is kept that passes now, or sooner. So nothing is lost
here, and you can interrupt an import and run it again. The command skips entries
without an exact equivalent, and prints how many and why: clients that are cut to a
network, unless greylist.client_prefix_ipv4 and client_prefix_ipv6 cut them as much or
more; senders that postgrey has changed, unless greylist.sender_identity = "normalized"
changes them in the same way; entries that have expired. Set these keys before
importing, and learn.proven_after, without which clients that are always accepted are
skipped.

The flags after --dry-run say how the other program was run, if its files do not say it.`,
		Example: `  greyglass import --dry-run postgrey /var/lib/postgrey
  pg_dump sqlgrey | greyglass import sqlgrey -
  spamdb | greyglass import spamd -`,
		Args:              arguments("KIND", "SOURCE"),
		ValidArgsFunction: completeImport,
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, err := importer.Find(args[0])
			if err != nil {
				return usage(cmd, "KIND %w", err)
			}
			if kind.Why != "" {
				return errors.New(kind.Why)
			}
			im := &importer.Import{Kind: kind, Source: args[1], Stdin: cmd.InOrStdin(), Peer: kind.Peer}
			im.Peer.IPv4, im.Peer.IPv6 = ipv4, ipv6
			for _, flag := range []struct {
				name, value string
				seconds     *int64
			}{{"delay", delay, &im.Peer.Delay}, {"keep", keep, &im.Peer.Keep}} {
				if flag.value == "" {
					continue
				}
				d, err := config.ParseDuration(flag.value)
				if err != nil {
					return usage(cmd, "--%s %s: %w", flag.name, flag.value, err)
				}
				*flag.seconds = int64(d / time.Second)
			}
			if ipv4 < 1 || ipv4 > 32 || ipv6 < 1 || ipv6 > 128 {
				return usage(cmd, "--ipv4cidr is 1 to 32, and --ipv6cidr 1 to 128")
			}
			return p.filling(cmd, args, dry, func(ctx context.Context, loaded *config.Loaded, store greylist.Store, now int64) error {
				im.Now = now
				return p.importInto(ctx, im, loaded, store, dry, asJSON)
			})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&dry, "dry-run", false, "print what would be taken over, and change nothing")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	flags.StringVar(&delay, "delay", "", "how `LONG` it deferred what it did not know (default 5m for postgrey, 30m for milter-greylist)")
	flags.StringVar(&keep, "keep", "", "how `LONG` it accepted what had passed (default 1d for milter-greylist, 36d for spamd)")
	flags.IntVar(&ipv4, "ipv4cidr", 24, "`BITS` to which postgrey cut IPv4 addresses")
	flags.IntVar(&ipv6, "ipv6cidr", 64, "`BITS` to which postgrey cut IPv6 addresses")
	return cmd
}

// completeImport completes KIND, then SOURCE to a file.
func completeImport(_ *cobra.Command, args []string, _ string) (kinds []string, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	for _, k := range importer.Kinds {
		kinds = append(kinds, k.Name)
	}
	return kinds, cobra.ShellCompDirectiveNoFileComp
}

// importInto imports, and prints its progress once a second and a summary at the end.
func (p *program) importInto(ctx context.Context, im *importer.Import, loaded *config.Loaded, store greylist.Store, dry, asJSON bool) error {
	im.Identity, im.Windows, im.Proven = loaded.Policy.Identity, loaded.Policy.Longest(), loaded.Policy.Proving.After
	tell := p.progress()
	merged := transfer.Transfer{From: im, To: store, Windows: loaded.Policy.Windows, Now: im.Now}
	triplets, err := merged.Copy(ctx, func(int64) {
		tell(func() string { return "importing: " + humanize.Comma(im.TripletsRead+im.ClientsRead) + " entries" })
	})
	var clients transfer.Transferred
	if ctx.Err() == nil { // what could be read before an error is taken over
		var failed error
		if clients, failed = transfer.CopyClients(ctx, im, store); err == nil {
			err = failed
		}
	}
	if im.TripletsRead+im.ClientsRead > 0 || err == nil {
		err = errors.Join(err, p.importSummary(im, triplets, clients, dry, asJSON))
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted; run it again to go on")
	}
	return err
}

// importJSON is what 'import --json' prints.
type importJSON struct {
	DryRun   bool             `json:"dry_run"`
	Read     map[string]int64 `json:"read"` // triplets, and clients: entries of clients alone
	Triplets moved            `json:"triplets"`
	Clients  moved            `json:"clients"`
	Skipped  []skippedJSON    `json:"skipped"`
}

// skippedJSON counts what was not taken over for one reason.
type skippedJSON struct {
	Count int64  `json:"count"`
	Why   string `json:"why"`
}

// skippedBy sorts the reasons, the most frequent first.
func skippedBy(why map[string]int64) []skippedJSON {
	all := []skippedJSON{}
	for why, n := range why {
		if n > 0 {
			all = append(all, skippedJSON{n, why})
		}
	}
	slices.SortFunc(all, func(a, b skippedJSON) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Why, b.Why)) })
	return all
}

func (p *program) importSummary(im *importer.Import, triplets, clients transfer.Transferred, dry, asJSON bool) error {
	if asJSON {
		return printObject(p.stdout, importJSON{dry, map[string]int64{"triplets": im.TripletsRead, "clients": im.ClientsRead},
			movedOf(triplets), movedOf(clients), skippedBy(im.Skipped)})
	}
	title := "taken over"
	if dry {
		title = "would be taken over"
	}
	comma := humanize.Comma
	fmt.Fprintf(p.stdout, "read: %s triplets, %s entries of clients alone\n%s: %s triplets, %s clients\nknown already: %s triplets, %s clients\n",
		comma(im.TripletsRead), comma(im.ClientsRead), title, comma(triplets.Written), comma(clients.Written),
		comma(triplets.Seen-triplets.Written), comma(clients.Seen-clients.Written))
	for _, skipped := range skippedBy(im.Skipped) {
		more := ""
		if skipped.Why == importer.NoEntry {
			more = "; the first is " + im.FirstBad
		}
		fmt.Fprintf(p.stdout, "skipped %s: %s%s\n", comma(skipped.Count), skipped.Why, more)
	}
	return nil
}
