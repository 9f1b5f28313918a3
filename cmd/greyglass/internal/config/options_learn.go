package config

import (
	"errors"
	"fmt"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/rules"
)

const (
	provenAfterKey = "learn.proven_after"
	outboundKey    = "learn.outbound"
	outboundSPFKey = "learn.outbound_requires_spf"
)

var learnSection = Section{
	Name: "learn",
	Doc:  "What the daemon learns from mail.",
	Options: []Option{
		{
			Key:     provenAfterKey,
			Default: 0,
			Kind:    number{0, 10_000},
			Comment: "A client is accepted at once when so many different triplets of it have\npassed; 0: never.",
			Doc: "A client is proven when so many different triplets of it have passed the greylist within `greylist.max_grey`. Its mail is then accepted at once, with the reason `proven-client`, unless a `[[rule]]` says `greylist`. 0, the default, turns this off. " +
				"At most one triplet an hour counts for a client, so that one burst of mail proves nothing. The client is identified as in triplets: by its address, cut to the prefix, or by its provider. " +
				"It stays proven until it has sent nothing for `max_grey`. If it is not proven within `max_grey`, the count begins again. " +
				"If a triplet had to wait again because its `max_grey` was over, only its new pass counts. A triplet does not count if a rule with a shorter `max_grey` greylisted it, if it passed in the mode `observe`, where nothing waits, or by `greyglass pass`. " +
				"`greyglass list --clients` shows the clients, and `greyglass forget --client` forgets one.",
		}, {
			Key:     outboundKey,
			Default: false,
			Kind:    boolean{},
			Comment: "Replies to mail of your users are accepted at once.",
			Doc: "Learn from outgoing mail: when a client that has authenticated, is on this machine, or is in `allowed_senders` or `allowed_sender_nets` sends mail of a user to an address outside, the daemon stores that address as a correspondent of the user. " +
				"Mail from the correspondent to this user, and to no other, is then accepted at once, with the reason `correspondent`, unless a `[[rule]]` says `greylist`. Users are the senders in `learn.local_domains`. " +
				"Plus addresses, VERP and BATV of either side count as the same mailbox. Mail of the null sender neither makes correspondents nor counts as a reply. " +
				"The mail server must ask Greyglass about outgoing mail too. It asks a milter, unless you have turned milters off for submission; for the policy protocol see the mail server's page. " +
				"A spammer who guesses such a pair and forges the sender is not greylisted: `learn.outbound_requires_spf` prevents most of that. " +
				"The answers to outgoing mail never depend on this. If your server sends a newsletter, each of its recipients makes a row in the database. " +
				"`greyglass list --correspondents` shows the correspondents, and `greyglass forget --correspondent` forgets one.",
		}, {
			Key:     outboundSPFKey,
			Default: false,
			Kind:    boolean{},
			Comment: "Accept only replies that pass SPF.",
			Doc:     "Accept mail of a correspondent only if SPF passes, so that a guessed pair is of no use to a server that the domain does not name. The daemon looks up SPF only for mail of correspondents. Replies from domains without SPF then wait like other mail.",
		}, {
			Key:     "learn.local_domains",
			Default: []string{},
			Kind:    list{compiled(func(s []string) rules.Config { return rules.Config{AllowedDomains: s} }), domainPatterns},
			Comment: "The domains of your users; empty: allowed_domains.",
			Doc:     "The domains of your users: `learn.outbound` learns from mail that goes from them to other domains. Empty means `rules.allowed_domains`; set it if you receive mail for domains whose users send it by other servers.",
		}, {
			Key:     "learn.keep",
			Default: 90 * day,
			Kind:    duration{time.Hour, longest, time.Second},
			Comment: "How long correspondents are stored after the last mail to them.",
			Doc:     "How long a correspondent is stored after the user's last mail to it. The time of the last mail is updated at most once an hour, or once in a hundredth of this time if that is less.",
		},
	},
}

// Learn is what is learned from the mail that passes.
type Learn struct {
	ProvenAfter  int           `koanf:"proven_after"` // triplets; 0: no client is ever proven
	Outbound     bool          `koanf:"outbound"`
	OutboundSPF  bool          `koanf:"outbound_requires_spf"`
	LocalDomains []string      `koanf:"local_domains"` // none: those of rules.allowed_domains
	Keep         time.Duration `koanf:"keep"`
}

// Outgoing says which mail goes out, whether or not learn.outbound is set.
func (c *Config) Outgoing() (o greylist.Outgoing, err error) {
	o = greylist.Outgoing{Keep: int64(c.Learn.Keep / time.Second), RequiresSPF: c.Learn.OutboundSPF}
	domains := c.Learn.LocalDomains
	if len(domains) == 0 {
		domains = c.Rules.AllowedDomains
	}
	for _, domain := range domains {
		err = errors.Join(err, o.Domains.AddDomain(domain))
	}
	return o, err
}

// checkOutbound finds that outgoing mail cannot be told from other mail.
func (m merged) checkOutbound(problems *Problems) {
	const fix = "set learn.local_domains to the domains of your users"
	c := m.config
	if !c.Learn.Outbound || len(c.Learn.LocalDomains)+len(c.Rules.AllowedDomains) > 0 ||
		problems.about("learn.local_domains") || problems.about("rules.allowed_domains") {
		return
	}
	problems.add(Problem{m.origins[outboundKey].String(), outboundKey, "true",
		"learn.local_domains and rules.allowed_domains are empty, so that no mail is known to go out", fix})
}

// proving says which clients are proven.
func (c *Config) proving() greylist.Proving {
	return greylist.Proving{After: int64(c.Learn.ProvenAfter), MaxGrey: c.Greylist.Windows().MaxGrey}
}

// checkProving finds a number of triplets that cannot be reached, since one an hour counts.
func (m merged) checkProving(problems *Problems) {
	p := m.config.proving()
	if needed := (p.After - 1) * greylist.Hour; needed > p.MaxGrey && !problems.about(provenAfterKey) && !problems.about("greylist.max_grey") {
		problems.add(Problem{m.origins[provenAfterKey].String(), provenAfterKey, fmt.Sprint(p.After),
			fmt.Sprintf("takes %s, since one triplet an hour counts, and greylist.max_grey is %s", spell(time.Duration(needed)*time.Second), spell(m.config.Greylist.MaxGrey)),
			"lower it, or raise greylist.max_grey"})
	}
}
