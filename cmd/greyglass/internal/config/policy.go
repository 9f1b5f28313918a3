package config

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/judge"
	"greyglass/greylist/rules"
)

// Policy makes the policy of the configuration, its lists and the lookup of facts. It
// cannot fail for a configuration from [Load].
func (c *Config) Policy(lists Lists, look rules.Lookup) (*judge.Policy, error) {
	var errs []error
	codes := false
	parse := func(key, s string, verdict greylist.Verdict) greylist.Reply {
		r, err := greylist.ParseReply(c.Reply.filled(s), verdict)
		codes = codes || strings.Contains(r.Text, greylist.CodePlaceholder)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s = %s: %w", key, quote(s), err))
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
	set, err := rules.Config{
		AcceptLoopback:                c.Rules.AcceptLoopback,
		AcceptVerifiedTLS:             c.Rules.AcceptVerifiedTLS,
		Blocked:                       lists.patterns(c.Blocked.senders()),
		Exceptions:                    lists.patterns(c.Blocked.exceptions()),
		BlockedVerdict:                whenBlocked,
		BlockedReply:                  blocked[whenBlocked],
		AllowedSenders:                c.Rules.AllowedSenders,
		AllowedSenderNets:             c.Rules.AllowedSenderNets,
		AllowedDomains:                c.Rules.AllowedDomains,
		ForeignVerdict:                whenForeign,
		ForeignReply:                  foreign[whenForeign],
		WhitelistedTriples:            c.Rules.WhitelistedTriples,
		WhitelistedNonstandardTriples: c.Rules.WhitelistedNonstandardTriples,
		Ordered:                       c.orderedRules(parse),
		Scope:                         rules.Scope{List: lists.rule, Blocklists: c.DNS.Blocklists, Allowlists: c.DNS.Allowlists},
		Lookup:                        look,
		LookupTimeout:                 c.DNS.Timeout,
	}.Compile()
	if err != nil {
		errs = append(errs, err)
	}
	probes, err := address.ParsePatterns(address.Recipients, c.Greylist.ProbeSenders...)
	if err != nil {
		errs = append(errs, fmt.Errorf("greylist.probe_senders: %w", err))
	}
	outgoing, err := c.Outgoing()
	if err != nil {
		errs = append(errs, fmt.Errorf("learn.local_domains: %w", err))
	}
	if !c.Learn.Outbound {
		outgoing.Domains, outgoing.RequiresSPF = address.Patterns{}, false
	}
	policy := &judge.Policy{
		Rules:      set,
		Windows:    c.Greylist.Windows(),
		Identity:   c.Greylist.identity(),
		Reply:      parse("greylist.reply", c.Greylist.Reply, greylist.Defer),
		Proving:    c.proving(),
		Outgoing:   outgoing,
		Observe:    c.Greylist.Mode == modeObserve,
		Header:     c.Greylist.Header,
		Probes:     probes,
		PrivateLog: c.Log.Private,
		OnError:    greylist.Verdict(c.Store.OnError),
		ErrorReply: parse("store.error_reply", c.Store.ErrorReply, greylist.Defer),
		Timeout:    c.Store.Timeout,
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	policy.Codes = codes
	return policy, nil
}

// orderedRules returns the [[rule]]s; parse reads a reply.
func (c *Config) orderedRules(parse func(key, s string, verdict greylist.Verdict) greylist.Reply) (all []rules.Rule) {
	for i := range c.Rule {
		r := &c.Rule[i]
		rule := rules.Rule{Name: r.Name, When: r.When, Then: greylist.Verdict(r.Then)}
		key, written := r.key("reply"), r.Reply
		switch r.Then {
		case thenGreylist:
			windows := r.windows(c.Greylist)
			rule.Windows = &windows
			if r.text("client_identity")+r.text("sender_identity") != "" {
				identity := r.identity(c.Greylist)
				rule.Identity = &identity
			}
			if written != "" {
				rule.Reply = parse(key, written, greylist.Defer)
			}
		case string(greylist.Defer):
			rule.Reply = parse(key, cmp.Or(written, defaultDeferReply), greylist.Defer)
		case string(greylist.Deny):
			rule.Reply = parse(key, cmp.Or(written, defaultDenyReply), greylist.Deny)
		}
		all = append(all, rule)
	}
	return all
}

func (g Greylist) identity() greylist.Identity {
	return greylist.Identity{
		IPv4: g.ClientPrefixIPv4, IPv6: g.ClientPrefixIPv6,
		Provider: g.ClientIdentity == clientProvider, Normalized: g.SenderIdentity == senderNormalized,
	}
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
