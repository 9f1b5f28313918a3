package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
	"greyglass/greylist/judge"
	"greyglass/greylist/rules"
)

func (p *program) explainCommand() *cobra.Command {
	var helo, name, spf, provider string
	var dnsbl []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:        "explain CLIENT SENDER RECIPIENT | CODE",
		SuggestFor: []string{"why", "check", "test", "ask", "reason", "query"},
		Short:      "show what would be answered now, and why, rule by rule",
		Long: `Show what a mail server would be answered now about a recipient, and why, rule by rule.
">" marks the rule that decides. Nothing is stored or changed. Times are local on a
terminal, and UTC elsewhere.

` + envelopeHelp + `
CLIENT may also be 'local', for mail that comes by no network.

CODE, such as ABCD-EFGH, is the code that a reply with {code} shows. The command looks
for it among the stored triplets, which takes a few seconds for a million of them. If a
list or a rule gave the answer, no triplet was stored, and only the log has the code.

The command asks DNS for what rules and identities need. To ask "what if", give the
answers yourself: --spf and --dnsbl for those of DNS, and --client-name for the name
that the mail server has confirmed. With --dnsbl, the client is on the lists that you
name, and on no others.`,
		Example: `  greyglass explain 203.0.113.7 ann@example.net bob@example.org
  greyglass explain 2001:db8::25 '<>' bob@example.org --helo mx.example.net
  greyglass explain ABCD-EFGH`,
		Args: envelopeOrCode,
		RunE: func(cmd *cobra.Command, args []string) error {
			var attempt greylist.Attempt
			var code string
			var err error
			if len(args) == 1 {
				code, err = codeOf(cmd, args[0])
			} else {
				attempt, err = attemptOf(cmd, args, helo)
			}
			if err != nil {
				return err
			}
			if spf != "" && !slices.Contains(rules.SPFResults, spf) {
				return usage(cmd, "--spf %q is no result of SPF; write one of %s", spf, strings.Join(rules.SPFResults, ", "))
			}
			loaded, err := p.load(cmd)
			if err != nil {
				return err
			}
			return p.inStore(cmd, loaded, func(ctx context.Context, loaded *config.Loaded, store greylist.Store) error {
				if code != "" {
					triplet, err := findCode(ctx, store, code)
					if err != nil {
						return err
					}
					if !asJSON {
						fmt.Fprintf(p.stdout, "%s is %s\n\n", code, triplet)
					}
					if attempt, err = attemptOf(cmd, []string{triplet.Client, triplet.Sender, triplet.Recipient}, helo); err != nil {
						return err
					}
				}
				attempt.ClientName = name
				now := timeOf(store).Unix()
				given := &givenFacts{given: &replayed{SPF: spf, Provider: provider, DNSBL: dnsbl}, others: loaded.Lookup, dynamic: loaded.Lookup.Dynamic}
				policy, err := loaded.Config.Policy(loaded.Lists, given)
				if err != nil {
					return err
				}
				x, err := policy.Explain(ctx, store, attempt, now)
				if asJSON {
					return errors.Join(err, printObject(p.stdout, explained(x, policy, attempt, now)))
				}
				p.printExplanation(x, policy, now)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&helo, "helo", "", "`NAME` that the client gives with HELO or EHLO")
	cmd.Flags().StringVar(&name, "client-name", "", "`NAME` of the client that the mail server has confirmed")
	cmd.Flags().StringVar(&spf, "spf", "", "`RESULT` of SPF, such as pass or fail")
	cmd.Flags().StringVar(&provider, "spf-provider", "", "`DOMAIN` of the provider by whose record SPF passes; with --spf pass")
	cmd.Flags().StringSliceVar(&dnsbl, "dnsbl", nil, "`ZONE` of a DNS list that has the client; may be repeated")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (p *program) printExplanation(x judge.Explanation, policy *judge.Policy, now int64) {
	zone, columns := p.zone(false), terminalWidth(p.stdout)
	var rules, answer pairs
	for _, step := range x.Steps {
		mark := "-"
		if step.Ruling != nil {
			mark = ">"
		}
		rules.add(mark+" "+step.Rule, "%s", step.Says)
	}
	if x.Greylisted {
		rules.add("> greylist", "%s", memoryInWords(x, now, zone))
		if x.Why != "" && x.Triplet.Client != "" {
			rules.add("", "the client is known as %s: %s", x.Triplet.Client, x.Why)
		}
		if x.AtData {
			rules.add("", "asked at DATA, since mail from this sender is often a callout, which ends before")
		}
		if policy.Observe {
			rules.add("", "only observes (greylist.mode), and so accepts")
		}
	}
	rules.print(p.stdout, columns)
	answer.add("verdict", "%s", x.Answer.Verdict)
	answer.add("reason", "%s", x.Answer.Reason)
	if x.Answer.Verdict != greylist.Accept {
		answer.add("reply", "%s", x.Answer.Reply)
	}
	if x.Answer.Wait > 0 {
		answer.add("wait", "%d s, until %s", x.Answer.Wait, timeInWords(now+x.Answer.Wait, zone))
	}
	fmt.Fprintln(p.stdout)
	answer.print(p.stdout, columns)
}

// memoryInWords describes the stored triplet.
func memoryInWords(x judge.Explanation, now int64, zone *time.Location) string {
	e := x.Remembered
	switch {
	case x.Answer.Err != nil:
		return fmt.Sprintf("could not be asked: %v", x.Answer.Err)
	case e == nil:
		return fmt.Sprintf("%s has not been seen before", x.Triplet)
	case e.Passed():
		return fmt.Sprintf("%s passed %s ago, at %s", x.Triplet, ago(e.PassedAt, now), timeInWords(e.PassedAt, zone))
	}
	return fmt.Sprintf("%s is waiting for %s, since %s", x.Triplet, ago(e.FirstSeen, now), timeInWords(e.FirstSeen, zone))
}
