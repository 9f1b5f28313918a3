package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/action"
	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/judge"
)

// expectFlags are the flags of expect.
type expectFlags struct {
	from, lasts        string
	once, list, cancel bool
	asJSON             bool
}

func (p *program) expectCommand() *cobra.Command {
	var flags expectFlags
	cmd := &cobra.Command{
		Use:        "expect RECIPIENT | --cancel RECIPIENT | --list",
		SuggestFor: []string{"await", "code", "temporary", "open"},
		Short:      "let mail to a recipient in at once, for a while",
		Long: `Accept mail to a recipient at once for a while, with the reason expected: for half an
hour, or as long as --for says. Use it for mail that must not wait, such as a login
code. --from restricts it to a sender, to @DOMAIN or to the subdomains @*.DOMAIN. With
--once it ends when one recipient of one message was accepted because of it. A second
command with the same recipient and --from replaces the first.

The command writes this into the database. All daemons that use the database know it
within two seconds. The blocked list, rules.allowed_domains and the other lists come
first; the command says so if they would answer such mail. A [[rule]] comes after it.

With --once and without --from, the first mail to the recipient that would have to wait
counts, from any sender. If a later filter defers that message, it is greylisted when it
is tried again. So --from and --for are safer limits than --once.

--list shows all expected mail. --cancel ends it for a recipient, with --from only for
this pattern.`,
		Example: `  greyglass expect bob@example.org --from @example.net --for 10m
  greyglass expect bob@example.org --once
  greyglass expect --list
  greyglass expect --cancel bob@example.org`,
		Args: func(cmd *cobra.Command, args []string) error {
			if flags.list {
				return arguments()(cmd, args)
			}
			return arguments("RECIPIENT")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return usage(cmd, "%w", err)
			}
			if flags.list {
				return p.withStore(cmd, func(ctx context.Context, _ *config.Loaded, store greylist.Store) error {
					return p.listExpected(ctx, store, flags.asJSON)
				})
			}
			args[0] = bare(args[0])
			if err := askDomain(cmd, "RECIPIENT", &args[0]); err != nil {
				return err
			}
			e, lasts, err := flags.expectation(args[0])
			if err != nil {
				return usage(cmd, "%w", err)
			}
			loaded, err := p.loadWithoutLists(cmd)
			if err != nil {
				return err
			}
			return p.changing(cmd, args, loaded, func(ctx context.Context, policy *judge.Policy, store greylist.Store) error {
				if flags.cancel {
					return p.cancelExpected(ctx, store, e, flags)
				}
				e.Since = timeOf(store).Unix()
				e.Until = e.Since + int64(lasts/time.Second)
				return p.expect(ctx, policy, store, e, flags.asJSON)
			})
		},
	}
	set := cmd.Flags()
	set.StringVar(&flags.from, "from", "", "only from this `SENDER`, @DOMAIN, or @*.DOMAIN for subdomains (default: from any)")
	set.StringVar(&flags.lasts, "for", "30m", "how long: a `TIME` such as 10m or 2h, at most 7d")
	set.BoolVar(&flags.once, "once", false, "only one recipient of one message")
	set.BoolVar(&flags.list, "list", false, "show what is expected")
	set.BoolVar(&flags.cancel, "cancel", false, "end what the recipient expects")
	set.BoolVar(&flags.asJSON, "json", false, "print JSON")
	return cmd
}

// check checks which flags are combined.
func (f *expectFlags) check(cmd *cobra.Command) error {
	changed := func(names ...string) bool { return slices.ContainsFunc(names, cmd.Flags().Changed) }
	switch {
	case f.list && changed("from", "for", "once", "cancel"):
		return errors.New("--list can only be combined with --json")
	case f.cancel && changed("for", "once"):
		return errors.New("--cancel can only be combined with --from")
	}
	return nil
}

// expectation makes an expectation of a recipient and the flags, without its times, and
// says how long it lasts.
func (f *expectFlags) expectation(recipient string) (e greylist.Expectation, lasts time.Duration, err error) {
	var recipients, senders address.Patterns
	if err := recipients.Add(recipient, address.Recipients); err != nil {
		return e, 0, fmt.Errorf("RECIPIENT: %w", err)
	}
	e = greylist.Expectation{Recipient: recipients.All()[0], Once: f.once}
	if local, _, ok := address.Cut(e.Recipient); !ok || local == "" {
		return e, 0, fmt.Errorf("RECIPIENT %q is not one address; write it as bob@example.org", recipient)
	}
	if err := senders.Add(cmp.Or(bare(f.from), "*"), address.Senders); err != nil {
		return e, 0, fmt.Errorf("--from: %w", err)
	}
	e.Sender = senders.All()[0]
	lasts, err = config.ParseDuration(f.lasts)
	_, bareNumber := strconv.Atoi(f.lasts)
	switch {
	case bareNumber == nil:
		return e, 0, fmt.Errorf("--for %s has no unit; write %[1]sm for minutes, or %[1]ss for seconds", f.lasts)
	case err != nil:
		return e, 0, fmt.Errorf("--for: %w", err)
	case lasts < time.Second:
		return e, 0, fmt.Errorf("--for %s is no time; write it as in 30m", f.lasts)
	case lasts > greylist.MaxExpectedFor*time.Second:
		return e, 0, fmt.Errorf("--for %s is more than 7d; for longer, write a [[rule]] into the configuration", f.lasts)
	}
	return e, lasts, nil
}

// expect writes an expectation, unless no mail would get as far as that.
func (p *program) expect(ctx context.Context, policy *judge.Policy, store greylist.Store, e greylist.Expectation, asJSON bool) error {
	precedes, err := action.Expect(ctx, policy, store, e)
	if errors.As(err, new(*action.Refused)) {
		return fmt.Errorf("nothing is expected: %w", err)
	} else if err != nil {
		return err
	}
	notes := p.stdout
	if asJSON {
		notes = p.stderr
		if err := printObject(p.stdout, expectedAsJSON(e, e.Since)); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(p.stdout, "expected: %s, until %s\n", expectedInWords(e), timeInWords(e.Until, p.zone(asJSON)))
	}
	if precedes != nil {
		fmt.Fprintf(notes, "such mail is accepted without that, with the reason %s (%s)\n", precedes.Reason, precedes.Because)
	}
	return nil
}

func expectedInWords(e greylist.Expectation) string {
	words := []string{"mail to", e.Recipient, "from", e.Sender}
	if e.Sender == "*" {
		words[3] = "any sender"
	}
	if e.Once {
		words = append(words, "once")
	}
	return strings.Join(words, " ")
}

// cancelExpected removes an expectation, or all of the recipient.
func (p *program) cancelExpected(ctx context.Context, store greylist.Store, e greylist.Expectation, flags expectFlags) error {
	expected, err := store.Expected(ctx)
	if err != nil {
		return err
	}
	var cancelled []greylist.Expectation
	for _, there := range expected {
		if there.Recipient != e.Recipient || flags.from != "" && there.Sender != e.Sender {
			continue
		}
		known, err := store.CancelExpected(ctx, there.Recipient, there.Sender)
		if err != nil {
			return err
		}
		if !known {
			continue
		}
		if cancelled = append(cancelled, there); !flags.asJSON {
			fmt.Fprintf(p.stdout, "cancelled: %s\n", expectedInWords(there))
		}
	}
	if cancelled == nil {
		e.Once = false
		return fmt.Errorf("%s is not expected", expectedInWords(e))
	}
	if flags.asJSON {
		return printExpectedJSON(p.stdout, cancelled, timeOf(store).Unix())
	}
	return nil
}

// expectedJSON is an expectation as 'expect --list --json' prints it.
type expectedJSON struct {
	State     string `json:"state"`
	Recipient string `json:"recipient"`
	Sender    string `json:"sender"`
	Since     int64  `json:"since"`
	Until     int64  `json:"until"`
	Once      bool   `json:"once"`
	UsedAt    *int64 `json:"used_at"`
}

// expectedAsJSON is an expectation at a time.
func expectedAsJSON(e greylist.Expectation, now int64) expectedJSON {
	return expectedJSON{expectedState(e, now), e.Recipient, e.Sender, e.Since, e.Until, e.Once, orNull(e.UsedAt)}
}

// expectedState is open, used, or ended: soon to be removed.
func expectedState(e greylist.Expectation, now int64) string {
	switch {
	case e.Open(now):
		return "open"
	case e.UsedAt != 0:
		return "used"
	}
	return "ended"
}

func printExpectedJSON(w io.Writer, all []greylist.Expectation, now int64) error {
	return printArray(w, elements(all), func(e greylist.Expectation) any { return expectedAsJSON(e, now) })
}

// listExpected prints the expectations.
func (p *program) listExpected(ctx context.Context, store greylist.Store, asJSON bool) error {
	all, err := store.Expected(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return printExpectedJSON(p.stdout, all, timeOf(store).Unix())
	}
	return printExpected(p.stdout, all, timeOf(store).Unix(), p.zone(false))
}

func printExpected(w io.Writer, all []greylist.Expectation, now int64, zone *time.Location) error {
	at := func(unix int64) string { return timeOrNone(unix, zone) }
	return printRows(w, "STATE\tRECIPIENT\tSENDER\tSINCE\tUNTIL\tONCE\tUSED AT", elements(all), func(t *tabwriter.Writer, e greylist.Expectation) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", expectedState(e, now), e.Recipient, e.Sender, at(e.Since), at(e.Until), yesOrNo(e.Once), at(e.UsedAt))
	})
}
