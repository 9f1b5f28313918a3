package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/maillog"
	"greyglass/cmd/greyglass/internal/transfer"
	"greyglass/greylist"
	"greyglass/sqlstore/memstore"
)

func (p *program) learnCommand() *cobra.Command {
	var dry, asJSON bool
	var since string
	cmd := &cobra.Command{
		Use:   "learn LOGFILE...",
		Short: "learn known senders from the logs of the mail server",
		Long: `Learn from the logs of Postfix, Exim or Sendmail whose mail was delivered. The daemon
may run meanwhile. The client, sender and recipient of each delivered mail from outside
are stored as a triplet that passed at that time, unless that is longer ago than
greylist.max_grey. If a user of yours wrote to an address outside, that address is
stored as a correspondent, for learn.outbound, unless that is longer ago than
learn.keep.

The logs may be given in any order, and be compressed by gzip; "-" is standard input.
They may be written by syslog, by Exim itself, or by 'journalctl --output export'. Times
without a zone are local; those without a year are within the year before the file was
last changed.

The command does not learn from mail that was refused, that a spam filter marked or
Dovecot filed as spam, and from mail within the site. rules.allowed_domains, or
learn.local_domains, says which recipients and users are yours. If both are empty,
recipients are yours if their mail was delivered to a mailbox or to a server with a
private address, and no correspondents are learned. rules.allowed_senders and
allowed_sender_nets say which clients are yours. With greylist.client_identity =
"provider", clients are stored by their confirmed names, since SPF is not looked up. No
client becomes proven, because the mail has not waited. If Postfix rewrites the senders
of incoming mail (sender_canonical_maps, for example with PostSRSd), its log has only
the new addresses, and the learned triplets do not match later mail.

Newer entries in the database stay as they are. So nothing is lost here, and you can
interrupt the command and run it again. Run it before greylisting begins, or at any
time.`,
		Example: `  greyglass learn --dry-run /var/log/mail.log*
  journalctl --output export SYSLOG_FACILITY=2 | greyglass learn -
  greyglass learn --since 30d /var/log/exim4/mainlog*`,
		Args:              oneOrMore("LOGFILE"),
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault),
		RunE: func(cmd *cobra.Command, args []string) error {
			begin := int64(0)
			if since != "" {
				var err error
				if begin, err = parseSince(since, wallClock().Unix(), p.zone(asJSON)); err != nil {
					return usage(cmd, "%w", err)
				}
			}
			return p.learn(cmd, args, begin, dry, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&since, "since", "", "only mail since "+sinceHelp+" (local on a terminal, else UTC)")
	flags.BoolVar(&dry, "dry-run", false, "print what would be learned, and change nothing")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (p *program) learn(cmd *cobra.Command, files []string, since int64, dry, asJSON bool) error {
	return p.filling(cmd, files, dry, func(ctx context.Context, loaded *config.Loaded, store greylist.Store, now int64) error {
		l, err := newLearner(loaded, mailLogs(cmd, loaded.Config, files), store, now)
		if err != nil {
			return err
		}
		l.since = since
		if err := p.learnFrom(ctx, l, dry, asJSON); err != nil {
			return err
		}
		if len(l.correspondent.stored) > 0 && !loaded.Config.Learn.Outbound && !asJSON {
			fmt.Fprintln(p.stdout, "learn.outbound is off: correspondents count once it is on")
		}
		return nil
	})
}

// filling opens the database that a command fills, stores who runs it, and calls do with the
// time. In a dry run it stores nothing and do can change nothing; the database may be missing.
func (p *program) filling(cmd *cobra.Command, args []string, dry bool, do func(context.Context, *config.Loaded, greylist.Store, int64) error) error {
	loaded, err := p.loadWithoutLists(cmd)
	if err != nil {
		return err
	}
	err = p.inStore(cmd, loaded, func(ctx context.Context, loaded *config.Loaded, store greylist.Store) error {
		now := timeOf(store).Unix()
		if dry {
			return do(ctx, loaded, transfer.Dry{Store: store}, now)
		}
		if err := p.record(ctx, store, wordsOf(cmd, args)); err != nil {
			return err
		}
		return do(ctx, loaded, store, now)
	})
	if dry && errors.Is(err, greylist.ErrNoDatabase) { // then nothing is known
		return do(cmd.Context(), loaded, memstore.New(), wallClock().Unix())
	}
	return err
}

// learnFrom learns, and prints its progress once a second and a summary at the end.
func (p *program) learnFrom(ctx context.Context, l *learner, dry, asJSON bool) error {
	tell := p.progress()
	err := l.run(ctx, func() {
		tell(func() string { return "learning: " + readSoFar(&l.logs.Counts) })
	})
	if l.logs.Counts.Lines > 0 || err == nil {
		err = errors.Join(err, p.learnSummary(l, dry, asJSON))
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted; run it again to go on")
	}
	return err
}

// learnJSON is what 'learn --json' prints.
type learnJSON struct {
	DryRun         bool          `json:"dry_run"`
	Lines          int64         `json:"lines"`
	Incoming       int64         `json:"incoming"` // messages delivered from outside
	Outgoing       int64         `json:"outgoing"` // messages sent to outside
	Triplets       moved         `json:"triplets"`
	Correspondents moved         `json:"correspondents"`
	Skipped        []skippedJSON `json:"skipped"`       // messages
	SkippedLines   []skippedJSON `json:"skipped_lines"` // of the log
	Damaged        []string      `json:"damaged"`       // files that could not be read to the end
}

func (p *program) learnSummary(l *learner, dry, asJSON bool) error {
	c := l.logs.Counts
	movedOf := func(written, known int) moved { return moved{int64(written), int64(known)} }
	triplets, correspondents := movedOf(l.triplet.counts()), movedOf(l.correspondent.counts())
	if asJSON {
		return printObject(p.stdout, learnJSON{dry, c.Lines, l.incoming, l.outgoing, triplets, correspondents,
			skippedBy(l.skipped), skippedBy(skippedLines(c)), append([]string{}, c.Damaged...)})
	}
	title := "learned"
	if dry {
		title = "would be learned"
	}
	comma := humanize.Comma
	fmt.Fprintf(p.stdout, "read: %s lines, %s messages delivered from outside, %s sent to outside\n", comma(c.Lines), comma(l.incoming), comma(l.outgoing))
	fmt.Fprintf(p.stdout, "%s: %s triplets, %s correspondents\n", title, comma(triplets.Written), comma(correspondents.Written))
	fmt.Fprintf(p.stdout, "known already: %s triplets, %s correspondents\n", comma(triplets.Known), comma(correspondents.Known))
	for _, skipped := range skippedBy(l.skipped) {
		fmt.Fprintf(p.stdout, "skipped %s messages: %s\n", comma(skipped.Count), skipped.Why)
	}
	for _, skipped := range skippedBy(skippedLines(c)) {
		fmt.Fprintf(p.stdout, "skipped %s lines: %s\n", comma(skipped.Count), skipped.Why)
	}
	for _, file := range c.Damaged {
		fmt.Fprintf(p.stdout, "not read to the end: %s\n", file)
	}
	return nil
}

// skippedLines says why lines of a log were not understood.
func skippedLines(c maillog.Counts) map[string]int64 {
	return map[string]int64{
		"of other programs, or without a time":                     c.Other,
		"longer than a mail server writes":                         c.Long,
		"with a time in the future":                                c.Future,
		"ambiguous, as those are in which a client forges a field": c.Unclear,
		"of mail that was refused, without naming a recipient":     c.Unnamed,
		"of messages without a recipient, when too many were open": c.Incomplete,
	}
}
