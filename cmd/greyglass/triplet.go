package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/judge"
)

// envelopeHelp explains the arguments that several commands take.
const envelopeHelp = `CLIENT is the address of the host that connects to the mail server, as IPv4 or
IPv6, or a client as 'greyglass list' shows it: a prefix, or, with client_identity =
"provider", spf:DOMAIN or name:DOMAIN. SENDER and RECIPIENT are the
addresses of the envelope, with or without angle brackets, or as mail programs show
them, "Ann <ann@example.net>"; the empty sender of a bounce is written '<>', and an
address that has no domain as '<ann>'.`

var envelopeArguments = arguments("CLIENT", "SENDER", "RECIPIENT")

// attemptOf makes an attempt of a command's arguments. CLIENT may be "local": a client
// without an address.
func attemptOf(cmd *cobra.Command, args []string, helo string) (greylist.Attempt, error) {
	attempt := greylist.Attempt{Client: greylist.LocalClient(args[0]), Helo: helo}
	if args[0] != "local" {
		var err error
		if attempt.Client, err = clientOf(args[0]); err != nil {
			return attempt, clientError(cmd, err)
		}
	}
	err := checkEnvelope(cmd, args)
	attempt.Sender, attempt.Recipient = args[1], args[2]
	return attempt, err
}

// checkTriplet checks the arguments as far as that needs no configuration.
func checkTriplet(cmd *cobra.Command, args []string) error {
	if _, err := clientOf(args[0]); err != nil {
		return clientError(cmd, err)
	}
	return checkEnvelope(cmd, args)
}

// checkEnvelope checks SENDER and RECIPIENT, and takes them out of the form in which mail
// programs show an address.
func checkEnvelope(cmd *cobra.Command, args []string) error {
	for i, name := range []string{"SENDER", "RECIPIENT"} {
		arg := &args[i+1]
		*arg = bare(*arg)
		if err := askDomain(cmd, name, arg); err != nil {
			return err
		}
		if address.Fold(*arg) == address.NullSender {
			if name == "RECIPIENT" {
				return usage(cmd, "RECIPIENT is empty")
			}
			continue
		}
		if err := checkAddress(*arg); err != nil {
			return usage(cmd, "%s %w", name, err)
		}
	}
	return nil
}

// askDomain asks, on a terminal, which address is meant by an argument without a domain. It
// fails only if it is interrupted.
func askDomain(cmd *cobra.Command, name string, arg *string) error {
	asJSON, _ := cmd.Flags().GetBool("json")
	if !lacksDomain(*arg) || asJSON || terminalWidth(cmd.OutOrStdout()) == 0 {
		return nil
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %q has no domain. Which address is meant? ", name, *arg)
	answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if answer = bare(answer); answer != "" {
		*arg = answer
	}
	return cmd.Context().Err()
}

// lacksDomain reports whether an argument is an address whose domain was forgotten. In angle
// brackets it may lack one, as a few senders do.
func lacksDomain(arg string) bool {
	_, _, ok := address.Cut(arg)
	return !ok && arg != "" && arg != "*" && !strings.HasPrefix(arg, "<") && !strings.EqualFold(arg, "postmaster") // RFC 5321, section 4.5.1
}

// checkAddress checks that an argument is one address.
func checkAddress(arg string) error {
	local, domain, ok := address.Cut(strings.Trim(arg, "<>"))
	switch {
	case lacksDomain(arg):
		return fmt.Errorf("%q has no domain; write it as %s@example.net, or, if it really has none, as '<%s>'", arg, arg, arg)
	case ok && domain == "":
		return fmt.Errorf("%q has nothing after the @", arg)
	case ok && (local == "" || local == "*"):
		return fmt.Errorf("%q is a pattern, which --sender and --recipient take", arg)
	}
	return nil
}

// bare takes an address out of the form in which mail programs show it: Ann <ann@example.net>.
func bare(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.LastIndexByte(s, '<'); i > 0 && strings.HasSuffix(s, ">") && s[0] != '<' {
		return s[i:]
	}
	return s
}

func clientError(cmd *cobra.Command, err error) error {
	return usage(cmd, "CLIENT %w", err)
}

// clientOf reads a client: an address, a prefix, for any address of it, or an identity
// such as spf:example.net.
func clientOf(s string) (greylist.Client, error) {
	if client, ok, err := greylist.ParseIdentity(s); ok {
		return client, err
	}
	text := s
	if _, _, isPrefix := strings.Cut(s, "/"); isPrefix {
		prefix, err := address.ParsePrefix(s)
		if err != nil {
			return greylist.Client{}, fmt.Errorf("%q is not an address prefix", s)
		}
		text = prefix.Addr().String()
	}
	client := greylist.ParseClient(text)
	_, ok := client.Addr()
	switch {
	case ok:
		return client, nil
	case strings.Contains(s, "@"):
		return client, fmt.Errorf("%q is not an IP address; the order is CLIENT SENDER RECIPIENT", s)
	case strings.Contains(s, ".") && strings.ContainsAny(strings.ToLower(s), "ghijklmnopqrstuvwxyz"):
		return client, fmt.Errorf("%q is a host name, and not an IP address; 'getent ahosts %[1]s' shows its addresses", s)
	}
	return client, fmt.Errorf("%q is not an IP address", s)
}

// changeTimeout is how long a command waits for another program that holds the
// database.
const changeTimeout = 10 * time.Second

// changeTriplet makes a triplet of a command's arguments, opens the database and
// hands both to do.
func (p *program) changeTriplet(cmd *cobra.Command, args []string, do func(context.Context, *judge.Policy, greylist.Store, greylist.Triplet) error) error {
	if err := checkTriplet(cmd, args); err != nil {
		return err
	}
	loaded, err := p.loadWithoutLists(cmd)
	if err != nil {
		return err
	}
	t, err := loaded.Policy.Identity.ParseTriplet(args[0], args[1], args[2])
	if err != nil {
		return clientError(cmd, err)
	}
	return p.changing(cmd, args, loaded, func(ctx context.Context, policy *judge.Policy, store greylist.Store) error {
		return do(ctx, policy, store, t)
	})
}

// changing opens the database for a change, which may take [changeTimeout], and stores who
// makes it.
func (p *program) changing(cmd *cobra.Command, args []string, loaded *config.Loaded, do func(context.Context, *judge.Policy, greylist.Store) error) error {
	return p.inStore(cmd, loaded, func(ctx context.Context, loaded *config.Loaded, store greylist.Store) error {
		ctx, cancel := context.WithTimeout(ctx, changeTimeout)
		defer cancel()
		err := p.record(ctx, store, wordsOf(cmd, args))
		if err == nil {
			err = do(ctx, loaded.Policy, store)
		}
		if _, isFile := loaded.Config.Store.SQLite(); isFile && errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("nothing changed within %v: another program holds a lock on the database; terminate it, or try again", changeTimeout)
		}
		return err
	})
}
