package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/transfer"
	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/greylist/judge"
	"greyglass/greylist/upkeep"
	"greyglass/sqlstore"
	"greyglass/sqlstore/memstore"
)

// errExpected: an answer differed from what the input expected.
var errExpected = errors.New("not every answer is the expected one")

func (p *program) replayCommand() *cobra.Command {
	var from string
	var summary, dns, asJSON bool
	cmd := &cobra.Command{
		Use:   "replay [FILE|-]",
		Short: "judge attempts in virtual time",
		Long: `Judge attempts as the daemon would, in virtual time, and with a database in memory that
is empty at the start. Each line of FILE, or of standard input, is an attempt, as a JSON
object with these keys:

  time            Unix seconds, never less than in the line before
  client_address, sender, recipient
  client_name     that the mail server has confirmed; 'unknown' is none
  helo_name
  instance        the same for all recipients of a message
  sasl_username   if not empty, the client has authenticated
  client_tls      true: with a verified TLS certificate
  spf, spf_provider, dnsbl, dnswl
                  what would be looked up: the result of SPF and, with pass, its
                  provider (without one, the record has nearly all addresses),
                  and arrays of the DNS lists that have the client
  expect          a verdict or a reason

Without --dns, DNS is not asked: if SPF and the lists are not given, SPF is none, and no
list has the client. For each line the command at once prints one with time, verdict,
reason, wait (seconds until a retry can pass), and the client and sender as they are
stored, unless a rule answered. If an answer is not the expected one, standard error
says so, and the exit status is 1.`,
		Example: `  greyglass replay attempts.jsonl
  greyglass replay --summary --store sqlite:/var/lib/greyglass/greyglass.db \
    attempts.jsonl`,
		Args: optionalFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := p.load(cmd)
			if err != nil {
				return err
			}
			name, in := "-", cmd.InOrStdin()
			if len(args) > 0 && args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				name, in = args[0], f
			}
			r, err := newReplay(loaded, dns)
			if err != nil {
				return err
			}
			if from != "" {
				if err := r.copyFrom(cmd.Context(), from, p.storeOptions(loaded.Config)); err != nil {
					return err
				}
			}
			r.asJSON = asJSON
			return r.run(cmd.Context(), name, in, p.stdout, p.stderr, summary)
		},
	}
	cmd.Flags().StringVar(&from, "store", "", "begin with a copy of the database `URL`, which is only read")
	cmd.Flags().BoolVar(&summary, "summary", false, "print totals in the place of answers")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the totals as JSON, too")
	cmd.Flags().BoolVar(&dns, "dns", false, "look up what is not given")
	return cmd
}

// replay judges attempts in virtual time.
type replay struct {
	policy  *judge.Policy
	judge   *judge.Judge
	store   greylist.Store
	expirer *upkeep.Expirer
	facts   *givenFacts
	asJSON  bool // the totals, too

	now      int64 // the attempt's time, in Unix seconds
	expired  int64 // the time of the last expiry
	instance string
	message  *judge.Message
}

func newReplay(loaded *config.Loaded, dns bool) (*replay, error) {
	r := &replay{store: memstore.New(), facts: &givenFacts{dynamic: loaded.Lookup.Dynamic}, message: new(judge.Message)}
	if dns {
		r.facts.others = loaded.Lookup
	}
	var err error
	if r.policy, err = loaded.Config.Policy(loaded.Lists, r.facts); err != nil {
		return nil, err
	}
	silent := slog.New(slog.DiscardHandler)
	c := clock.New(func() time.Time { return time.Unix(r.now, 0) }, silent)
	r.judge = judge.New(r.store, r.policy, silent, c)
	r.expirer = &upkeep.Expirer{Store: r.store, Windows: r.policy.Longest, Keep: func() int64 { return r.policy.Outgoing.Keep }, Log: silent, Clock: c}
	return r, nil
}

// copyFrom copies another database into the memory.
func (r *replay) copyFrom(ctx context.Context, url string, options sqlstore.Options) error {
	from, err := sqlstore.Open(ctx, url, options)
	if err != nil {
		return &databaseError{err}
	}
	copied := transfer.Transfer{From: from, To: r.store, Windows: r.policy.Windows, Now: wallClock().Unix()}
	_, err = copied.Copy(ctx, func(int64) {})
	if err == nil {
		_, err = transfer.CopyClients(ctx, from, r.store)
	}
	if err == nil {
		_, err = transfer.CopyCorrespondents(ctx, from, r.store, copied.Now)
	}
	return errors.Join(err, from.Close())
}

// run judges each line.
func (r *replay) run(ctx context.Context, name string, in io.Reader, out, complaints io.Writer, summary bool) (err error) {
	lines := bufio.NewReaderSize(in, 1<<16)
	answers := bufio.NewWriter(out)
	defer func() { err = errors.Join(err, answers.Flush()) }()
	encoder := json.NewEncoder(answers)
	encoder.SetEscapeHTML(false)      // print the null sender as "<>"
	totals := make(map[totalJSON]int) // each without its count
	unexpected := 0
	for n := 1; ; n++ {
		if read, _ := lines.Peek(lines.Buffered()); !bytes.ContainsRune(read, '\n') { // the next line may come only after the answers
			if err := answers.Flush(); err != nil {
				return err
			}
		}
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(bytes.TrimSpace(line)) > 0 {
			a, failed := parseAttempt(line)
			if failed == nil && a.Time < r.now {
				failed = fmt.Errorf("time %d comes after %d", a.Time, r.now)
			}
			if failed != nil {
				return fmt.Errorf("%s:%d: %w", name, n, failed)
			}
			answer, judged := r.answer(ctx, a)
			if judged != nil {
				return judged
			}
			totals[totalJSON{Verdict: answer.Verdict, Reason: answer.Reason}]++
			if a.Expect != "" && a.Expect != string(answer.Verdict) && a.Expect != string(answer.Reason) {
				unexpected++
				fmt.Fprintf(complaints, "%s:%d: %s (%s) where %s was expected\n", name, n, answer.Verdict, answer.Reason, a.Expect)
			}
			if !summary {
				if err := encoder.Encode(answer); err != nil {
					return err
				}
			}
		}
		if err != nil {
			break
		}
	}
	if summary {
		if err := printTotals(answers, totals, r.asJSON); err != nil {
			return err
		}
	}
	if unexpected > 0 {
		return errExpected
	}
	return nil
}

// printTotals prints how often each verdict was given, for each reason.
func printTotals(w io.Writer, totals map[totalJSON]int, asJSON bool) error {
	all := replayedJSON{Totals: []totalJSON{}}
	for total, n := range totals {
		total.Count = n
		all.Totals = append(all.Totals, total)
		all.Attempts += n
	}
	slices.SortFunc(all.Totals, func(a, b totalJSON) int {
		return cmp.Or(cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Reason, b.Reason))
	})
	if asJSON {
		return printObject(w, all)
	}
	fmt.Fprintf(w, "attempts\t\t%d\n", all.Attempts)
	for _, total := range all.Totals {
		fmt.Fprintf(w, "%s\t%s\t%d\n", total.Verdict, total.Reason, total.Count)
	}
	return nil
}

// answer removes expired entries, then judges an attempt.
func (r *replay) answer(ctx context.Context, a *replayed) (*replayAnswer, error) {
	r.now = a.Time
	if every := int64(sweepEvery / time.Second); r.now-r.expired >= every {
		r.expired = r.now
		if _, err := r.expirer.Sweep(ctx); err != nil {
			return nil, err
		}
	}
	if a.Instance == "" || a.Instance != r.instance {
		r.instance, r.message = a.Instance, new(judge.Message)
	}
	r.facts.given = a
	answer := r.judge.AtOnce(ctx, r.message, a.attempt())
	return &replayAnswer{Time: a.Time, Verdict: answer.Verdict, Reason: answer.Reason, Wait: answer.Wait,
		Client: answer.Triplet.Client, Sender: answer.Triplet.Sender}, nil
}

// replayedJSON is what 'replay --summary --json' prints.
type replayedJSON struct {
	Attempts int         `json:"attempts"`
	Totals   []totalJSON `json:"totals"`
}

type totalJSON struct {
	Verdict greylist.Verdict `json:"verdict"`
	Reason  greylist.Reason  `json:"reason"`
	Count   int              `json:"count"`
}
