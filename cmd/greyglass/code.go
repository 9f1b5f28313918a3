package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"greyglass/greylist"
)

// envelopeOrCode checks that a command is given a triplet, or the code of one.
func envelopeOrCode(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return envelopeArguments(cmd, args)
}

// codeOf reads the code of a triplet.
func codeOf(cmd *cobra.Command, s string) (string, error) {
	code, err := greylist.ParseCode(s)
	if err != nil {
		return "", usage(cmd, "%w; or give CLIENT SENDER RECIPIENT", err)
	}
	return code, nil
}

// findCode returns the triplet that has the code, by computing the codes of all that
// are remembered: so none needs to be stored.
func findCode(ctx context.Context, store greylist.Store, code string) (greylist.Triplet, error) {
	for record, err := range store.List(ctx, greylist.Filter{}) {
		if err != nil {
			return greylist.Triplet{}, err
		}
		if record.Code() == code {
			return record.Triplet, nil
		}
	}
	return greylist.Triplet{}, fmt.Errorf("no stored triplet has the code %s; the decision is in the log alone: "+
		"find its line by 'journalctl -u greyglass --grep %[1]s', and give explain the client, sender and recipient of that line", code)
}
