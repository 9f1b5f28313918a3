package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/transfer"
	"greyglass/greylist"
	"greyglass/sqlstore"
)

func (p *program) copyCommand() *cobra.Command {
	var from, to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "copy --from URL --to URL",
		Short: "copy all triplets to another database",
		Long: `Copy all triplets from one database to another, from SQLite to PostgreSQL or back.
Daemons may use both meanwhile. If both databases know a triplet, the entry is kept that
passes now, or sooner. The command creates the target if there is none. Run it as the
daemon's user, because a new SQLite file belongs to the user who runs it.

At the end the command checks the copy. You can interrupt it and run it again; it does
not write again what is there already. To move without losing anything, copy, let the
daemons use the new database, and copy once more.

It also copies the clients of which triplets have passed, the correspondents to whom
users have written, and the history that "greyglass stats" shows. If both databases have
counted the same hour, the greater count is kept.`,
		Example: `  greyglass copy --from sqlite:/var/lib/greyglass/greyglass.db \
    --to postgres://greyglass@db.example.org/greyglass`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, flag := range []struct{ name, url string }{{"from", from}, {"to", to}} {
				if flag.url == "" {
					return usage(cmd, "--%s is missing", flag.name)
				}
				if err := sqlstore.Check(flag.url); err != nil {
					return usage(cmd, "--%s: %s", flag.name, inWords(err))
				}
			}
			if from == to {
				return usage(cmd, "--from and --to are the same")
			}
			loaded, err := p.loadWithoutLists(cmd)
			if err != nil {
				return err
			}
			ctx, options := cmd.Context(), p.storeOptions(loaded.Config)
			source, err := sqlstore.Open(ctx, from, options)
			if err != nil {
				return &databaseError{err}
			}
			options.Create = true
			target, err := sqlstore.Open(ctx, to, options)
			if err != nil {
				return errors.Join(&databaseError{err}, source.Close())
			}
			if err = p.record(ctx, target, wordsOf(cmd, nil)); err != nil {
				err = &databaseError{err}
			} else {
				err = p.copy(ctx, source, target, loaded.Policy.Windows, asJSON)
			}
			return errors.Join(err, target.Close(), source.Close())
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the database `URL` that is copied")
	cmd.Flags().StringVar(&to, "to", "", "the database `URL` that it is copied to")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// copyJSON is what 'copy --json' prints.
type copyJSON struct {
	Triplets       moved `json:"triplets"`
	Meanwhile      int64 `json:"came_meanwhile"` // triplets
	History        moved `json:"history"`
	Clients        moved `json:"clients"`
	Correspondents moved `json:"correspondents"`
}

// copy copies, then checks, and prints its progress once a second.
func (p *program) copy(ctx context.Context, source, target greylist.Store, windows greylist.Windows, asJSON bool) error {
	total, err := source.Stats(ctx)
	if err != nil {
		return err
	}
	out, printed := p.stdout, copyJSON{}
	if asJSON {
		out = io.Discard
	}
	all := transfer.Transfer{From: source, To: target, Windows: windows, Now: timeOf(source).Unix()}
	progress := p.progress()
	tell := func(doing string) func(done int64) {
		return func(done int64) {
			progress(func() string {
				return fmt.Sprintf("%s: %s of %s triplets", doing, humanize.Comma(done), humanize.Comma(total.Waiting+total.Passed))
			})
		}
	}
	copied, err := all.Copy(ctx, tell("copying"))
	if err != nil {
		return fmt.Errorf("%s; run it again to go on", inWords(err))
	}
	checked, err := all.Check(ctx, tell("checking"))
	if err != nil {
		return err
	}
	printed.Triplets, printed.Meanwhile = movedOf(copied), checked.Written
	fmt.Fprintf(out, "copied: %s of %s triplets, the others were there\nchecked: %s triplets\n", humanize.Comma(copied.Written), humanize.Comma(copied.Seen), humanize.Comma(checked.Seen))
	if checked.Written > 0 {
		fmt.Fprintf(out, "came meanwhile: %s\n", humanize.Comma(checked.Written))
	}
	for _, other := range []struct {
		name, of, failed string
		copied           *moved
		copy             func() (transfer.Transferred, error)
	}{
		{"history", " counts", "the triplets are copied, but the history is not", &printed.History,
			func() (transfer.Transferred, error) { return transfer.CopyHistory(ctx, source, target) }},
		{"clients", "", "the triplets and the history are copied, but not all clients", &printed.Clients,
			func() (transfer.Transferred, error) { return transfer.CopyClients(ctx, source, target) }},
		{"correspondents", "", "all is copied, except for some correspondents", &printed.Correspondents,
			func() (transfer.Transferred, error) { return transfer.CopyCorrespondents(ctx, source, target, all.Now) }},
	} {
		n, err := other.copy()
		if err != nil {
			return fmt.Errorf("%s: %s; run it again to go on", other.failed, inWords(err))
		}
		*other.copied = movedOf(n)
		fmt.Fprintf(out, "%s: %s of %s%s, the others were there\n", other.name, humanize.Comma(n.Written), humanize.Comma(n.Seen), other.of)
	}
	if asJSON {
		return printObject(p.stdout, printed)
	}
	return nil
}

func movedOf(t transfer.Transferred) moved { return moved{t.Written, t.Seen - t.Written} }
