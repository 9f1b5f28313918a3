package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/forecast"
	"greyglass/cmd/greyglass/internal/maillog"
	"greyglass/greylist/judge"
	"greyglass/greylist/rules"
)

func (p *program) forecastCommand() *cobra.Command {
	var asJSON, dns bool
	var since string
	cmd := &cobra.Command{
		Use:        "forecast LOGFILE...",
		SuggestFor: []string{"simulate", "predict", "estimate"},
		Short:      "show what greylisting would do, from past logs",
		Long: `Judge the mail from outside in the logs of Postfix, Exim or Sendmail as the daemon would
have done, beginning with an empty database: with the present configuration, and beside
it with each profile. Nothing is stored. The page shows how much of the delivered mail
would have been accepted at once, and how much deferred, by day; how long that would
have waited; which sending sites would have been deferred most, and which of them are
pools of mail servers; how much less would be deferred after 'greyglass learn'; and how
much of the rejected mail and spam would have been deferred.

The log does not say whether a sender would have retried, nor what DNS says of it. The
page names what it assumes. SPF is estimated by the client's confirmed name, unless
--dns looks it up. The rules of greylist.profile = "gentle" ask SPF.

Logs are read as by 'greyglass learn'. Mail of authenticated users, of
rules.allowed_senders and allowed_sender_nets, and of this machine is not judged.
greylist.mode = "observe" counts as "enforce". Days and times are in UTC, on a terminal
too. With --json, which prints one object, they are Unix seconds.`,
		Example: `  greyglass forecast /var/log/mail.log*
  greyglass forecast --since 7d --set greylist.min_defer_time=5m \
    /var/log/mail.log`,
		Args:              oneOrMore("LOGFILE"),
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault),
		RunE: func(cmd *cobra.Command, files []string) error {
			present, err := p.load(cmd)
			if err != nil {
				return err
			}
			logs := mailLogs(cmd, present.Config, files)
			o := forecast.Options{Lookup: present.Lookup, DNS: dns}
			if since != "" {
				if o.Since, err = parseSince(since, logs.Now, time.UTC); err != nil {
					return usage(cmd, "%w", err)
				}
			}
			if o.Configurations, err = p.triedConfigurations(cmd, present); err != nil {
				return err
			}
			result, err := p.forecast(cmd.Context(), logs, o)
			if err != nil {
				return err
			}
			if asJSON {
				return printObject(p.stdout, forecastJSON{result, orNull(result.Since), orNull(result.Until)})
			}
			result.Print(p.stdout)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&since, "since", "", "only mail since "+sinceHelp+" (of UTC)")
	flags.BoolVar(&dns, "dns", false, "look up SPF and DNS lists, as they are now; this takes long")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// forecastJSON is what 'forecast --json' prints.
type forecastJSON struct {
	*forecast.Result
	Since *int64 `json:"since"`
	Until *int64 `json:"until"`
}

// triedConfigurations returns the present configuration, and it with each profile's own
// values.
func (p *program) triedConfigurations(cmd *cobra.Command, present *config.Loaded) ([]forecast.Configuration, error) {
	loaded := []*config.Loaded{present}
	tried := []forecast.Configuration{{Name: "present", Policy: policyOf(present)}}
	for _, profile := range config.Profiles {
		source := p.source(cmd)
		source.Profile = profile
		l, err := config.Load(source)
		if err != nil {
			return nil, fmt.Errorf("with the profile %s: %w", profile, err)
		}
		c := forecast.Configuration{Name: profile, Policy: policyOf(l)}
		for i, other := range loaded {
			if reflect.DeepEqual(l.Config, other.Config) {
				c.Same = tried[i].Name
				break
			}
		}
		loaded, tried = append(loaded, l), append(tried, c)
	}
	return tried, nil
}

func policyOf(l *config.Loaded) func(rules.Lookup) (*judge.Policy, error) {
	return func(look rules.Lookup) (*judge.Policy, error) { return l.Config.Policy(l.Lists, look) }
}

// collectAt is the growth of the heap, in percent, after which garbage is collected: most of
// the heap is what the trials remember, of which half as much again is enough.
const collectAt = 50

// forecast judges the logs, and prints its progress once a second.
func (p *program) forecast(ctx context.Context, logs *maillog.Logs, o forecast.Options) (*forecast.Result, error) {
	debug.SetGCPercent(collectAt)
	f, err := forecast.New(ctx, o)
	if err != nil {
		return nil, err
	}
	tell := p.progress()
	var unread error
	for mail, err := range logs.Mail(ctx) {
		if err != nil {
			unread = err
			break
		}
		f.Add(mail)
		tell(func() string { return "judging: " + readSoFar(&logs.Counts) })
	}
	result, err := f.End(ctx, &logs.Counts)
	if err = errors.Join(unread, err); errors.Is(err, context.Canceled) {
		return nil, errors.New("interrupted")
	}
	return result, err
}
