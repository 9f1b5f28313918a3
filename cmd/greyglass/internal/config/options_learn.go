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
	Doc:  "What is learned from the mail that passes.",
	Options: []Option{
		{
			Key:     provenAfterKey,
			Default: 0,
			Kind:    number{0, 10_000},
			Comment: "A client of which so many different triplets have passed is accepted at once;\n0: none is.",
			Doc: "A client of which so many different triplets have passed the greylist within `greylist.max_grey` is proven: its mail is accepted at once, with the reason `proven-client`, unless a `[[rule]]` says `greylist`. 0, the default, turns this off. " +
				"At most one triplet an hour counts for a client, so that one burst of mail proves nothing. The client is what triplets have: the address, cut to the prefix, or another identity. " +
				"It stays proven while it goes on sending, and is forgotten when it has sent nothing for `max_grey`. The count begins again if `max_grey` is over before the client is proven. " +
				"A triplet that has to wait again, because its own `max_grey` was over, counts again when it passes: its earlier pass does not count any more. What a rule with a shorter `max_grey` greylists does not count, nor what passes in the mode `observe`, where nothing waits, or by `greyglass pass`. " +
				"`greyglass list --clients` shows the clients, and `greyglass forget --client` forgets one.",
		}, {
			Key:     outboundKey,
			Default: false,
			Kind:    boolean{},
			Comment: "Replies to mail of your users are accepted at once.",
			Doc: "Outgoing mail teaches: when a client that has authenticated, is on this machine, or is one of `allowed_senders` or `allowed_sender_nets`, sends mail of a user to an address outside, that address is remembered as a correspondent of the user. " +
				"Mail from the correspondent to this user, and no other, is then accepted at once, with the reason `correspondent`, unless a `[[rule]]` says `greylist`. The users are the senders in `learn.local_domains`. " +
				"Plus addresses, VERP and BATV of either side are the same mailbox. The null sender writes to no correspondent, and its mail is no reply. " +
				"The mail server must ask Greyglass about outgoing mail too: a milter sees it unless it is turned off for submission; by policy see the mail server's page. " +
				"A spammer who guesses such a pair, and forges the sender, gains one accepted message for each that is guessed: `learn.outbound_requires_spf` prevents most of that. " +
				"An answer to outgoing mail never depends on this. A newsletter that your own server sends makes a row of the database for each address. " +
				"`greyglass list --correspondents` shows the correspondents, and `greyglass forget --correspondent` forgets one.",
		}, {
			Key:     outboundSPFKey,
			Default: false,
			Kind:    boolean{},
			Comment: "... but only those that pass SPF.",
			Doc:     "Accept mail of a correspondent only if SPF passes, so that a guessed pair is of no use to servers that the domain does not name. SPF is looked up only for mail of correspondents. Replies of domains without SPF then wait as other mail does.",
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
			Comment: "How long correspondents are remembered after the last mail to them.",
			Doc:     "How long a correspondent is remembered after the user's last mail to it. The time of the last mail is written at most once an hour, or once in a hundredth of this time where that is less.",
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
