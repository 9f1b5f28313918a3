package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
)

func (p *program) backupCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "copy the database to a new file",
		Long: `Copy the database, as it is at one moment, to a new file. The daemon may run meanwhile.
The file is a database like the original: to restore it, stop the daemon, replace the
database by it, and start the daemon.

The command never overwrites a file. For a PostgreSQL database it only says how to back
that up.`,
		Example: `  greyglass backup /var/backups/greyglass-$(date +%F).db`,
		Args:    arguments("FILE"),
		ValidArgsFunction: func(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(given) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withStore(cmd, func(ctx context.Context, _ *config.Loaded, store greylist.Store) error {
				var size int64
				tell := p.progress()
				err := store.Backup(ctx, args[0], func(done, total int64) {
					size = total
					tell(func() string {
						return fmt.Sprintf("backup: %d %% of %s", 100*done/max(total, 1), humanize.IBytes(uint64(total)))
					})
				})
				if errors.Is(err, fs.ErrExist) {
					return fmt.Errorf("%s is already there; choose another name, or remove it", args[0])
				}
				switch {
				case err == nil && asJSON:
					return printObject(p.stdout, backupJSON{args[0], size})
				case err == nil:
					fmt.Fprintf(p.stdout, "backed up: %s (%s)\n", args[0], humanize.IBytes(uint64(size)))
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// backupJSON is what 'backup --json' prints.
type backupJSON struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}
