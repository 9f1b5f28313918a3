package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
	"greyglass/sqlstore"
)

// program is one run of greyglass: its outputs and global flags.
type program struct {
	environ        []string
	stdout, stderr io.Writer

	configFile string
	set        []string

	changed   []greylist.Triplet // by the command, for --json
	obstacles []obstacle         // to these, for --json
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "greyglass",
		Short: "greylisting for Sendmail, Postfix and Exim",
		Long: `Greyglass is a greylisting daemon. It defers an unknown triplet (a client, an envelope
sender and an envelope recipient) with "try again later", and accepts a retry at the
right time. Mail servers retry; most spam engines do not.

'greyglass serve' is the daemon. The other commands show what it would answer and why,
and list and change the triplets. Except for status and probe, they work without the
daemon.`,
		Example: `  greyglass doctor                     what is right here, and what is not
  greyglass list --waiting --limit 20  triplets that wait
  greyglass explain 203.0.113.7 ann@example.net bob@example.org
                                       why would this mail be delayed?`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return noSuchCommand(cmd, args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return usage(cmd, "no command given")
		},
		SuggestionsMinimumDistance: 2,
		Version:                    version,
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	// In completions: a command names files where it takes any.
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(cmd, "%w", flagProblem(cmd, err))
	})
	root.SetHelpCommand(helpCommand())
	root.SetHelpFunc(printHelp)
	root.SetVersionTemplate(versionText())
	flags := root.PersistentFlags()
	flags.StringVar(&p.configFile, "config", config.DefaultFile, "configuration `FILE`")
	flags.StringArrayVar(&p.set, "set", nil, "override a `SECTION.KEY=VALUE` of the configuration; may be repeated")
	completesFiles(root, "config")
	root.AddCommand(
		p.serveCommand(), p.configCommand(),
		p.explainCommand(), p.probeCommand(), p.replayCommand(), p.forecastCommand(),
		p.statusCommand(), p.listCommand(), p.logCommand(), p.statsCommand(),
		p.passCommand(), p.forgetCommand(), p.expectCommand(), p.expireCommand(),
		p.importCommand(), p.importConfigCommand(), p.learnCommand(),
		p.backupCommand(), p.copyCommand(), p.migrateCommand(), p.doctorCommand(), p.versionCommand(),
	)
	return root
}

// completesFiles makes shells complete the value of a flag to a file name.
func completesFiles(cmd *cobra.Command, flag string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)); err != nil {
		panic(err) // there is no such flag
	}
}

// arguments checks the number of arguments that a command is given, by the names
// that stand in its Use line.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usage(cmd, "%s is missing", names[len(args)])
		case len(args) > len(names):
			return usage(cmd, unexpected, args[len(names)])
		}
		return nil
	}
}

// optionalFile checks the arguments of a command that takes a FILE or none.
func optionalFile(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return arguments("FILE")(cmd, args)
}

const unexpected = "unexpected argument %q"

// load loads the configuration. Its error is a [*config.Problems].
func (p *program) load(cmd *cobra.Command) (*config.Loaded, error) {
	return config.Load(p.source(cmd))
}

// loadWithoutLists is load for a command that can do without rules. Problems of list files and
// of rules are printed, and do not stop it.
func (p *program) loadWithoutLists(cmd *cobra.Command) (*config.Loaded, error) {
	source := p.source(cmd)
	source.NoLists = true
	loaded, err := config.Load(source)
	if err != nil {
		return nil, err
	}
	for _, problem := range loaded.Broken {
		fmt.Fprintf(p.stderr, "greyglass: %s\n", problem)
	}
	return loaded, nil
}

func (p *program) source(cmd *cobra.Command) config.Source {
	return config.Source{
		File:         p.configFile,
		FileRequired: cmd.Flags().Changed("config"),
		Environ:      p.environ,
		Set:          p.set,
	}
}

// storeOptions returns the options of a command's store. It prints which sessions hold a
// lock that it waits for.
func (p *program) storeOptions(c *config.Config) sqlstore.Options {
	return sqlstore.Options{Synchronous: c.Store.Synchronous, PasswordFile: c.Store.PasswordFile, Now: machineClock,
		Waiting: func(sessions string) {
			fmt.Fprintf(p.stderr, "greyglass: waiting for a lock in the database that is held by %s\n", sessions)
		}}
}

// progress returns a printer of how far a command has come, on standard error, once a second.
func (p *program) progress() func(line func() string) {
	last := time.Now()
	return func(line func() string) {
		if time.Since(last) > time.Second {
			last = time.Now()
			fmt.Fprintln(p.stderr, line())
		}
	}
}

// openStore opens the database, which must exist; only serve creates one.
func (p *program) openStore(ctx context.Context, c *config.Config) (greylist.Store, error) {
	store, err := sqlstore.Open(ctx, c.Store.URL, p.storeOptions(c))
	if err != nil {
		return nil, &databaseError{err}
	}
	return store, nil
}

// withStore loads the configuration of a command that asks no rules, opens the database
// and calls do with both.
func (p *program) withStore(cmd *cobra.Command, do func(context.Context, *config.Loaded, greylist.Store) error) error {
	loaded, err := p.loadWithoutLists(cmd)
	if err != nil {
		return err
	}
	return p.inStore(cmd, loaded, do)
}

// inStore opens the database of a configuration and calls do with both.
func (p *program) inStore(cmd *cobra.Command, loaded *config.Loaded, do func(context.Context, *config.Loaded, greylist.Store) error) error {
	store, err := p.openStore(cmd.Context(), loaded.Config)
	if err != nil {
		return err
	}
	err = do(cmd.Context(), loaded, store)
	if closed := store.Close(); !errors.Is(err, closed) {
		err = errors.Join(err, closed)
	}
	return err
}
