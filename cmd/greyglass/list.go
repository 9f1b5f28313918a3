package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
	"greyglass/greylist/address"
)

func (p *program) listCommand() *cobra.Command {
	var filter greylist.Filter
	var client, sender, recipient string
	var asJSON, clients, correspondents bool
	cmd := &cobra.Command{
		Use:        "list",
		SuggestFor: []string{"show", "ls", "dump", "triplets"},
		Short:      "list the triplets",
		Long: `Show the triplets that are remembered, the oldest first: those that wait, and those
that have passed. Times are UTC.

With --json, print one array of objects that have the columns of the database's table
(times in Unix seconds, null where it has not happened) and the state.

With --clients, show in their place the clients of which triplets have passed the
greylist: how many count, since when, when the last one was counted, when mail of the
client was last accepted as proven or a triplet of it passed, and whether it is proven
(learn.proven_after).

With --correspondents, show the addresses to which users have written (learn.outbound):
the user, the address, when the user wrote first and last. --recipient selects a user,
and --sender an address.`,
		Example: `  greyglass list --waiting --limit 20
  greyglass list --recipient bob@example.org
  greyglass list --client 203.0.113.7 --json
  greyglass list --clients
  greyglass list --correspondents --recipient bob@example.org`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if filter.Limit < 0 {
				return &usageError{errors.New("--limit is negative"), cmd.CommandPath()}
			}
			if clients && (filter.Waiting || filter.Passed || sender != "" || recipient != "" || filter.Limit != 0) {
				return &usageError{errors.New("--clients can only be combined with --client and --json"), cmd.CommandPath()}
			}
			if correspondents && (filter.Waiting || filter.Passed || clients || client != "" || filter.Limit != 0) {
				return &usageError{errors.New("--correspondents can only be combined with --sender, --recipient and --json"), cmd.CommandPath()}
			}
			if recipient != "" {
				filter.Recipients = address.Forms(recipient)
			}
			if client != "" {
				if _, err := clientOf(client); err != nil {
					return &usageError{fmt.Errorf("--client %w", err), cmd.CommandPath()}
				}
			}
			loaded, err := p.loadWithoutLists(cmd)
			if err != nil {
				return err
			}
			if sender != "" {
				filter.Senders = loaded.Policy.SenderForms(sender)
			}
			if client != "" {
				if filter.Client, err = loaded.Policy.Identity.ParseClientKey(client); err != nil {
					return &usageError{fmt.Errorf("--client %w", err), cmd.CommandPath()}
				}
			}
			return p.inStore(cmd, loaded, func(ctx context.Context, _ *config.Loaded, store greylist.Store) error {
				out := bufio.NewWriter(p.stdout)
				if clients {
					return errors.Join(printClients(out, knownClients(ctx, store, loaded.Policy.Proving, filter.Client), asJSON), out.Flush())
				}
				if correspondents {
					return errors.Join(printCorrespondents(out, knownCorrespondents(ctx, store, sender, recipient), asJSON), out.Flush())
				}
				print := printTable
				if asJSON {
					print = printJSON
				}
				return errors.Join(print(out, store.List(ctx, filter)), out.Flush())
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&filter.Waiting, "waiting", false, "only those that wait")
	flags.BoolVar(&filter.Passed, "passed", false, "only those that have passed")
	flags.StringVar(&client, "client", "", "only those of this client `ADDRESS`")
	flags.StringVar(&sender, "sender", "", "only those of this envelope sender `ADDRESS`")
	flags.StringVar(&recipient, "recipient", "", "only those of this envelope recipient `ADDRESS`")
	flags.IntVar(&filter.Limit, "limit", 0, "at most `N`, the newest (default: all)")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	flags.BoolVar(&clients, "clients", false, "the clients of which triplets have passed")
	flags.BoolVar(&correspondents, "correspondents", false, "the addresses to which users have written")
	return cmd
}

func printTable(w io.Writer, records iter.Seq2[greylist.Record, error]) error {
	return printRows(w, "STATE\tCLIENT\tSENDER\tRECIPIENT\tFIRST SEEN\tLAST SEEN\tPASSED AT\tDEFERRED\tACCEPTED", records, func(t *tabwriter.Writer, r greylist.Record) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\n", r.State(), r.Client, r.Sender, r.Recipient,
			utc(r.FirstSeen), utc(r.LastSeen), utc(r.PassedAt), r.Deferred, r.Accepted)
	})
}

// printRows prints rows as they come, and aligns some hundred at a time, so that millions
// of them take no memory.
func printRows[R any](w io.Writer, title string, rows iter.Seq2[R, error], print func(*tabwriter.Writer, R)) error {
	const together = 200
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, title)
	n := 0
	for r, err := range rows {
		if err != nil {
			return errors.Join(t.Flush(), err)
		}
		print(t, r)
		if n++; n%together == 0 {
			if err := t.Flush(); err != nil {
				return err
			}
		}
	}
	return t.Flush()
}

// recordJSON is a record as 'list --json' prints it.
type recordJSON struct {
	State     string `json:"state"`
	Client    string `json:"client"`
	Sender    string `json:"sender"`
	Recipient string `json:"recipient"`
	FirstSeen int64  `json:"first_seen"`
	LastSeen  int64  `json:"last_seen"`
	PassedAt  *int64 `json:"passed_at"`
	Deferred  int64  `json:"deferred"`
	Accepted  int64  `json:"accepted"`
}

func printJSON(w io.Writer, records iter.Seq2[greylist.Record, error]) error {
	return printArray(w, records, func(r greylist.Record) any {
		object := recordJSON{r.State(), r.Client, r.Sender, r.Recipient, r.FirstSeen, r.LastSeen, nil, r.Deferred, r.Accepted}
		if r.Passed() {
			object.PassedAt = &r.PassedAt
		}
		return object
	})
}

// printArray prints one array of objects as they come, each on a line.
func printArray[R any](w io.Writer, all iter.Seq2[R, error], object func(R) any) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false) // print the null sender as "<>"
	separator := "[\n "
	for r, err := range all {
		if err != nil {
			return err
		}
		line.Reset()
		if err := encoder.Encode(object(r)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s%s", separator, bytes.TrimSpace(line.Bytes())); err != nil {
			return err
		}
		separator = ",\n "
	}
	if separator[0] == '[' {
		_, err := fmt.Fprintln(w, "[]")
		return err
	}
	_, err := fmt.Fprintln(w, "\n]")
	return err
}
