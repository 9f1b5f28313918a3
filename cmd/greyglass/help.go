package main

import "github.com/spf13/cobra"

// helpCommand replaces cobra's own, which exits with status 0 for an unknown command.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "explain a command",
		Long: `Explain a command, its arguments and its flags, as --help does after its name.
Without a command, list them all.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			about, rest, err := root.Find(args)
			switch {
			case err != nil, about == root && len(args) > 0:
				return noSuchCommand(root, args[0])
			case len(rest) > 0:
				return &usageError{unexpected(rest[0]), cmd.CommandPath()}
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}
