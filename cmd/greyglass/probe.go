package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/milter"
	"greyglass/milter/listen"
)

func (p *program) probeCommand() *cobra.Command {
	var helo, to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:        "probe CLIENT SENDER RECIPIENT",
		SuggestFor: []string{"try", "attempt", "simulate", "send"},
		Short:      "ask the running daemon as a mail server would",
		Long: `Ask the running daemon through its milter socket, as a mail server would, and print the
verdict and the reply that the SMTP client would get. This is a real attempt: the daemon
stores its triplet, so a second probe is a retry. Statistics do not count it, and the
log has it with via=probe.

` + envelopeHelp + `
CLIENT may also be 'local', for mail that comes by no network.`,
		Example: `  greyglass probe 203.0.113.7 ann@example.net bob@example.org
  greyglass probe 203.0.113.7 '<>' bob@example.org --to inet:127.0.0.1:8895`,
		Args: envelopeArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			attempt, err := attemptOf(cmd, args, helo)
			if err != nil {
				return err
			}
			if attempt.Client.Identity() != "" {
				return clientError(cmd, fmt.Errorf("%q is not an IP address, from which a mail server could be asked", args[0]))
			}
			if attempt.Helo == "" {
				attempt.Helo = "[" + attempt.Client.String() + "]" // RFC 5321, section 4.1.4
			}
			socket, err := p.probeSocket(cmd, to)
			if err != nil {
				return err
			}
			attempt.Via = greylist.ViaProbe
			answer, err := milter.Probe(cmd.Context(), socket, attempt)
			if err != nil {
				return err
			}
			if asJSON {
				return printObject(p.stdout, probeJSON{string(answer.Verdict), nil, nil, orNull(answer.Reply), orNull(answer.Stage),
					attempt.Client.String(), attempt.Helo, address.Fold(attempt.Sender), address.Fold(attempt.Recipient)})
			}
			t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintf(t, "verdict\t%s\n", answer.Verdict)
			if answer.Reply != "" {
				fmt.Fprintf(t, "reply\t%s\n", answer.Reply)
				fmt.Fprintf(t, "at\t%s\n", answer.Stage)
			}
			return t.Flush()
		},
	}
	cmd.Flags().StringVar(&helo, "helo", "", "`NAME` that the client gives with HELO or EHLO")
	cmd.Flags().StringVar(&to, "to", "", "milter `SOCKET` to ask, spelled as in listen.milter (default: the first of listen.milter)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// probeJSON is what 'probe --json' prints.
type probeJSON struct {
	Verdict   string  `json:"verdict"`
	Reason    *string `json:"reason"` // null, as are the seconds to wait: a mail server is not told
	Wait      *int64  `json:"wait"`
	Reply     *string `json:"reply"`
	Stage     *string `json:"stage"` // the SMTP command that was answered so
	Client    string  `json:"client"`
	Helo      string  `json:"helo"`
	Sender    string  `json:"sender"`
	Recipient string  `json:"recipient"`
}

// probeSocket returns the socket of --to, or the daemon's first.
func (p *program) probeSocket(cmd *cobra.Command, to string) (listen.Address, error) {
	if to != "" {
		socket, err := listen.ParseAddress(to)
		if err != nil {
			return socket, usage(cmd, "--to %w", err)
		}
		return socket, nil
	}
	loaded, err := p.load(cmd)
	if err != nil {
		return listen.Address{}, err
	}
	for _, text := range loaded.Config.Listen.Milter {
		if socket, err := listen.ParseAddress(text); err == nil && socket.Network != "systemd" {
			return socket, nil
		}
	}
	return listen.Address{}, errors.New("listen.milter has no socket to ask; name one with --to")
}
