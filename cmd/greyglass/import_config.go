package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/peerconfig"
)

func (p *program) importConfigCommand() *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:   "import-config FILE",
		Short: "convert the configuration of another greylisting program",
		Long: `Convert the configuration of another greylisting program, and print the result: its
access lists and whitelists as [[rule]]s, and the times of milter-greylist as those of
[greylist]. For each line without an equivalent, print a comment with its number and the
reason. The result is a valid configuration. Nothing is changed.

FILE is milter-greylist's greylist.conf, postgrey's whitelist_clients or
whitelist_recipients, or sqlgrey's clients_fqdn_whitelist or clients_ip_whitelist, or
'-', standard input. Its name tells what it is, or --kind.`,
		Example: `  greyglass import-config /etc/milter-greylist/greylist.conf
  greyglass import-config /etc/postgrey/whitelist_clients \
    >> /etc/greyglass/greyglass.toml`,
		Args: arguments("FILE"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			in := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			text, err := peerconfig.Convert(in, args[0], kind)
			if err != nil {
				return err
			}
			_, err = io.WriteString(p.stdout, text)
			return err
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", fmt.Sprintf("what FILE is, a `KIND` of %v", peerconfig.Kinds()))
	if err := cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(peerconfig.Kinds(), cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // there is no such flag
	}
	return cmd
}
