package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/judge"
	"greyglass/greylist/rules"
)

// Policy makes the policy of the configuration and the contents of its lists.
// It cannot fail for a configuration that comes from [Load].
func (c *Config) Policy(lists Lists) (*judge.Policy, error) {
	var errs []error
	parse := func(key, s string, verdict greylist.Verdict) greylist.Reply {
		r, err := greylist.ParseReply(s, verdict)
		if err != nil {
			errs = append(errs, fmt.Errorf("config: %s = %s: %w", key, quote(s), err))
		}
		return r
	}
	blocked := map[greylist.Verdict]greylist.Reply{
		greylist.Defer: parse("blocked.defer_reply", c.Blocked.DeferReply, greylist.Defer),
		greylist.Deny:  parse("blocked.deny_reply", c.Blocked.DenyReply, greylist.Deny),
	}
	foreign := map[greylist.Verdict]greylist.Reply{
		greylist.Defer: parse("rules.foreign_defer_reply", c.Rules.ForeignDeferReply, greylist.Defer),
		greylist.Deny:  parse("rules.foreign_deny_reply", c.Rules.ForeignDenyReply, greylist.Deny),
	}
	whenBlocked, whenForeign := greylist.Verdict(c.Blocked.Action), greylist.Verdict(c.Rules.ForeignDomainAction)
	rules, err := rules.Config{
		AcceptLoopback:                c.Rules.AcceptLoopback,
		AcceptVerifiedTLS:             c.Rules.AcceptVerifiedTLS,
		Blocked:                       lists.Blocked,
		Exceptions:                    lists.Exceptions,
		BlockedVerdict:                whenBlocked,
		BlockedReply:                  blocked[whenBlocked],
		AllowedSenders:                c.Rules.AllowedSenders,
		AllowedSenderNets:             c.Rules.AllowedSenderNets,
		AllowedDomains:                c.Rules.AllowedDomains,
		ForeignVerdict:                whenForeign,
		ForeignReply:                  foreign[whenForeign],
		WhitelistedTriples:            c.Rules.WhitelistedTriples,
		WhitelistedNonstandardTriples: c.Rules.WhitelistedNonstandardTriples,
	}.Compile()
	if err != nil {
		errs = append(errs, fmt.Errorf("config: %w", err))
	}
	probes, err := parseProbes(c.Greylist.ProbeSenders)
	if err != nil {
		errs = append(errs, fmt.Errorf("config: %w", err))
	}
	policy := &judge.Policy{
		Rules:      rules,
		Windows:    c.Greylist.Windows(),
		Identity:   greylist.Identity{IPv4: c.Greylist.ClientPrefixIPv4, IPv6: c.Greylist.ClientPrefixIPv6},
		Reply:      parse("greylist.reply", c.Greylist.Reply, greylist.Defer),
		Observe:    c.Greylist.Mode == modeObserve,
		Probes:     probes,
		PrivateLog: c.Log.Private,
		OnError:    greylist.Verdict(c.Store.OnError),
		ErrorReply: parse("store.error_reply", c.Store.ErrorReply, greylist.Defer),
		Timeout:    c.Store.Timeout,
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return policy, nil
}

// Windows returns the four windows in seconds.
func (g Greylist) Windows() greylist.Windows {
	return greylist.Windows{
		TooSoon:      int64(g.TooSoon / time.Second),
		MinDeferTime: int64(g.MinDeferTime / time.Second),
		MaxDeferTime: int64(g.MaxDeferTime / time.Second),
		MaxGrey:      int64(g.MaxGrey / time.Second),
	}
}

// parseProbes makes one set of the patterns. Brackets around each keep one that
// begins with "#" from being a comment.
func parseProbes(patterns []string) (address.Patterns, error) {
	var lines strings.Builder
	for _, p := range patterns {
		if err := checkProbe(p); err != nil {
			return address.Patterns{}, fmt.Errorf("greylist.probe_senders: %w", err)
		}
		p = strings.TrimSpace(p)
		fmt.Fprintf(&lines, "<%s>\n", strings.TrimSuffix(strings.TrimPrefix(p, "<"), ">"))
	}
	return address.ParseList(strings.NewReader(lines.String()), "greylist.probe_senders", address.Recipients)
}
