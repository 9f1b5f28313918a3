package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"greyglass/cmd/greyglass/internal/show"
)

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
				return usage(cmd, unexpected, rest[0])
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// The columns of help: of no terminal, and of a wide one at most.
const (
	helpColumns    = 80
	mostHelpColumn = 100
)

// printHelp prints the help of a command, in the columns of the terminal.
func printHelp(cmd *cobra.Command, _ []string) {
	out := cmd.OutOrStdout()
	columns := terminalWidth(out)
	if columns == 0 {
		columns = helpColumns
	}
	columns = min(columns, mostHelpColumn)
	fmt.Fprintf(out, "%s\n\nUsage:\n", filled(cmd.Long, columns))
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(out, "  %s COMMAND [flags]\n", cmd.CommandPath())
	} else {
		for _, arguments := range alternatives(cmd) {
			fmt.Fprintf(out, "  %s [flags]\n", arguments)
		}
	}
	if cmd.HasExample() {
		fmt.Fprintf(out, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		var commands pairs
		for _, c := range cmd.Commands() {
			commands.add("  "+c.Name(), "%s", c.Short)
		}
		fmt.Fprint(out, "\nAvailable Commands:\n")
		commands.print(out, columns)
	}
	if cmd.HasAvailableLocalFlags() {
		fmt.Fprint(out, "\nFlags:\n")
		printFlags(out, cmd.LocalFlags(), columns)
	}
	if cmd.HasAvailableInheritedFlags() {
		fmt.Fprint(out, "\nGlobal Flags:\n")
		printFlags(out, cmd.InheritedFlags(), columns)
	}
}

// alternatives are the ways to use a command, each with its name.
func alternatives(cmd *cobra.Command) []string {
	all := strings.Split(strings.TrimPrefix(cmd.Use, cmd.Name()), " | ")
	for i := range all {
		all[i] = strings.TrimSpace(cmd.CommandPath() + " " + strings.TrimSpace(all[i]))
	}
	return all
}

func printFlags(w io.Writer, set *pflag.FlagSet, columns int) {
	var all pairs
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, value := "  --"+f.Name, ""
		if f.Shorthand != "" {
			name = "  -" + f.Shorthand + ", --" + f.Name
		}
		usage := f.Usage
		if f.Value.Type() != "bool" {
			value, usage = pflag.UnquoteUsage(f)
			name += " " + value
		}
		switch zero := f.DefValue == "" || f.DefValue == "[]" || f.DefValue == "false" || f.DefValue == "0"; {
		case zero || strings.Contains(usage, "default"):
		case f.Value.Type() == "string":
			usage += fmt.Sprintf(" (default %q)", f.DefValue)
		default:
			usage += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		all.add(name, "%s", usage)
	})
	all.print(w, columns)
}

// filled fills the paragraphs of a text to a number of columns. Lines that begin with a space
// stay as they are.
func filled(text string, columns int) string {
	var lines []string
	paragraph := ""
	end := func() {
		if paragraph != "" {
			lines = append(lines, show.Fold(paragraph, columns, ""))
			paragraph = ""
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "" || line[0] == ' ':
			end()
			lines = append(lines, line)
		case paragraph == "":
			paragraph = line
		default:
			paragraph += " " + line
		}
	}
	end()
	return strings.Join(lines, "\n")
}
