package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/transfer"
	"greyglass/greylist"
	"greyglass/sqlstore"
)

func (p *program) copyCommand() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "copy --from URL --to URL",
		Short: "copy all triplets to another database",
		Long: `Copy all triplets from one database to another, from SQLite to PostgreSQL or
back, while daemons use either. Of a triplet that both know, the entry is kept that
lets it through now, or sooner. The database that is copied to is created if there is none; an
SQLite file then belongs to the user who runs this command, which should be the
daemon's.

When all is copied it is checked. It may be interrupted, and run again: what is
there already is not written once more. To move without losing anything, copy, let
the daemons use the new database, and copy once more.

The clients of which triplets have passed, the correspondents to whom users have written,
and the history that "greyglass stats" shows are copied too. Where both databases
have counted the same hour, the greater count is kept.`,
		Example: `  greyglass copy --from sqlite:/var/lib/greyglass/greyglass.db --to postgres://greyglass@db.example.org/greyglass`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, flag := range []struct{ name, url string }{{"from", from}, {"to", to}} {
				if flag.url == "" {
					return &usageError{fmt.Errorf("--%s is missing", flag.name), cmd.CommandPath()}
				}
				if err := sqlstore.Check(flag.url); err != nil {
					return &usageError{fmt.Errorf("--%s: %s", flag.name, inWords(err)), cmd.CommandPath()}
				}
			}
			if from == to {
				return &usageError{errors.New("--from and --to are the same"), cmd.CommandPath()}
			}
			loaded, err := p.loadWithoutLists(cmd)
			if err != nil {
				return err
			}
			options := p.storeOptions(loaded.Config)
			source, err := sqlstore.Open(cmd.Context(), from, options)
			if err != nil {
				return &databaseError{err}
			}
			options.Create = true
			target, err := sqlstore.Open(cmd.Context(), to, options)
			if err == nil {
				if err = p.record(cmd.Context(), cmd, nil, target); err == nil {
					err = p.copy(cmd.Context(), source, target, loaded.Policy.Windows)
				} else {
					err = &databaseError{err}
				}
				err = errors.Join(err, target.Close())
			} else {
				err = &databaseError{err}
			}
			return errors.Join(err, source.Close())
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the database `URL` that is copied")
	cmd.Flags().StringVar(&to, "to", "", "the database `URL` that it is copied to")
	return cmd
}

// copy copies, then checks, and prints its progress once a second.
func (p *program) copy(ctx context.Context, source, target greylist.Store, windows greylist.Windows) error {
	total, err := source.Stats(ctx)
	if err != nil {
		return err
	}
	last := time.Now()
	moved := transfer.Transfer{From: source, To: target, Windows: windows, Now: timeOf(source).Unix()}
	tell := func(doing string) func(done int64) {
		return func(done int64) {
			if time.Since(last) > time.Second {
				last = time.Now()
				fmt.Fprintf(p.stderr, "%s: %s of %s triplets\n", doing, humanize.Comma(done), humanize.Comma(total.Waiting+total.Passed))
			}
		}
	}
	copied, err := moved.Copy(ctx, tell("copying"))
	if err != nil {
		return fmt.Errorf("%s; run it again to go on", inWords(err))
	}
	checked, err := moved.Check(ctx, tell("checking"))
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "copied: %d of %d triplets, the others were there\nchecked: %d triplets\n", copied.Written, copied.Seen, checked.Seen)
	if checked.Written > 0 {
		fmt.Fprintf(p.stdout, "came meanwhile: %d\n", checked.Written)
	}
	history, err := transfer.CopyHistory(ctx, source, target)
	if err != nil {
		return fmt.Errorf("the triplets are copied, but the history is not: %s; run it again to go on", inWords(err))
	}
	fmt.Fprintf(p.stdout, "history: %d of %d counts, the others were there\n", history.Written, history.Seen)
	clients, err := transfer.CopyClients(ctx, source, target)
	if err != nil {
		return fmt.Errorf("the triplets and the history are copied, but not all clients: %s; run it again to go on", inWords(err))
	}
	fmt.Fprintf(p.stdout, "clients: %d of %d, the others were there\n", clients.Written, clients.Seen)
	correspondents, err := transfer.CopyCorrespondents(ctx, source, target, moved.Now)
	if err != nil {
		return fmt.Errorf("all is copied, except for some correspondents: %s; run it again to go on", inWords(err))
	}
	fmt.Fprintf(p.stdout, "correspondents: %d of %d, the others were there\n", correspondents.Written, correspondents.Seen)
	return nil
}
