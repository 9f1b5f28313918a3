package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) configCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:        "config",
		SuggestFor: []string{"configtest", "postconf", "check", "validate", "verify", "settings", "test"},
		Short:      "print the configuration, and where each value comes from",
		Long: `Print the effective configuration as a configuration file, with the origin of each
value: the default, a line of the file, an environment variable
(GREYGLASS_SECTION__KEY), or --set.

If the configuration has mistakes, list each with its place and its fix, and exit with
status 78. Run this before each restart or reload.`,
		Example: `  greyglass config
  greyglass config --config ./new.toml && systemctl reload greyglass`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := p.load(cmd)
			if err != nil {
				return err
			}
			for _, warning := range loaded.Warnings {
				fmt.Fprintf(p.stderr, "greyglass: warning: %s\n", warning.Detail)
			}
			if asJSON {
				return printObject(p.stdout, loaded.JSON())
			}
			return loaded.Print(p.stdout)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
