package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
)

// envelopeHelp explains the arguments that several commands take.
const envelopeHelp = `CLIENT is the address of the host that connects to the mail server, as IPv4 or
IPv6, or the prefix that 'greyglass list' shows. SENDER and RECIPIENT are the
addresses of the envelope, with or without angle brackets; the empty sender of a
bounce is written '<>'.`

var envelopeArguments = arguments("CLIENT", "SENDER", "RECIPIENT")

// attemptOf makes an attempt of a command's arguments.
func attemptOf(cmd *cobra.Command, args []string, helo string) (greylist.Attempt, error) {
	client, err := clientOf(args[0])
	if err == nil && greylist.FoldAddress(args[2]) == greylist.NullSender {
		err = errors.New("RECIPIENT is empty")
	}
	if err != nil {
		return greylist.Attempt{}, &usageError{err, cmd.CommandPath()}
	}
	return greylist.Attempt{Client: client, Helo: helo, Sender: args[1], Recipient: args[2]}, nil
}

// clientOf reads a client: an address, a prefix (for any address of it), or
// "local" for a client without an address.
func clientOf(s string) (greylist.Client, error) {
	if s == "local" {
		return greylist.LocalClient(s), nil
	}
	text := s
	if _, _, isPrefix := strings.Cut(s, "/"); isPrefix {
		prefix, err := greylist.ParsePrefix(s)
		if err != nil {
			return greylist.Client{}, err
		}
		text = prefix.Addr().String()
	}
	client := greylist.ParseClient(text)
	if _, ok := client.Addr(); !ok {
		return client, fmt.Errorf("CLIENT %q is not an IP address", s)
	}
	return client, nil
}

// tripletOf makes a triplet of a command's arguments.
func tripletOf(cmd *cobra.Command, args []string, loaded *config.Loaded) (greylist.Triplet, error) {
	t, err := loaded.Policy.Identity.ParseTriplet(args[0], args[1], args[2])
	if err != nil {
		return t, &usageError{fmt.Errorf("CLIENT %w", err), cmd.CommandPath()}
	}
	return t, nil
}
