package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"greyglass/sqlstore"
)

func (p *program) migrateCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "create the PostgreSQL schema, or bring it to this version",
		Long: `Create the schema in the PostgreSQL database that store.url names, or bring it to the
version of this program. The daemon does this by itself if its role may. If not, run
this command as the role that owns the schema, before you start a new version of the
daemon. You can run it twice, and while daemons run.`,
		Example: `  greyglass migrate
  greyglass migrate \
    --set store.url=postgres://greyglass_owner@db.example.org/greyglass`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := p.loadWithoutLists(cmd)
			if err != nil {
				return err
			}
			c := loaded.Config
			if _, isFile := c.Store.SQLite(); isFile {
				return fmt.Errorf("store.url is %s, and not a PostgreSQL database: the daemon migrates an SQLite database by itself", c.Store.URL)
			}
			version, err := sqlstore.Migrate(cmd.Context(), c.Store.URL, p.storeOptions(c))
			if err != nil {
				return &databaseError{err}
			}
			if asJSON {
				return printObject(p.stdout, migrateJSON{sqlstore.Name(c.Store.URL), version})
			}
			fmt.Fprintf(p.stdout, "migrated: %s has version %d\n", sqlstore.Name(c.Store.URL), version)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// migrateJSON is what 'migrate --json' prints.
type migrateJSON struct {
	Store   string `json:"store"`
	Version int    `json:"version"`
}
