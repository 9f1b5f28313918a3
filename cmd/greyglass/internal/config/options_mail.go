package config

import (
	"time"

	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// modeObserve is the mode in which the greylist accepts everything.
const modeObserve = "observe"

// The identities of clients and senders.
const (
	clientAddress  = "address"
	clientProvider = "provider"

	senderExact      = "exact"
	senderNormalized = "normalized"
)

var (
	clientIdentity = choice{clientAddress, clientProvider}
	senderIdentity = choice{senderExact, senderNormalized}
)

var greylistSection = Section{
	Name: "greylist",
	Doc:  "The greylist: when an unknown triplet of client, sender and recipient can pass.",
	Options: []Option{
		{
			Key:     profileKey,
			Default: classic,
			Kind:    choice(Profiles),
			Comment: "classic: the greylist defers all unknown mail. gentle: only what is\nsuspicious waits long; well-kept servers pass at once.",
			Doc:     "`classic` has the defaults of this page, and no `[[rule]]`. `gentle` has other defaults, and rules that come after your own: mail of well-kept and proven servers passes at once, suspicious mail waits by the classic windows, and other mail waits for three minutes. Your settings in the file, the environment or `--set` override a profile, key by key. A `[[rule]]` of yours with the name of one of the profile's rules replaces that rule; `when = 'false'` turns it off. `greyglass config` prints the profile's values and rules; /usr/share/doc/greyglass/gentle.md says what each rule does.",
		}, {
			Key:     "greylist.mode",
			Default: "enforce",
			Kind:    choice{"enforce", modeObserve},
			Comment: "enforce, or observe: decide, store and log as usual, but always accept.",
			Doc:     "With `observe` the greylist decides, stores and logs as usual, but always accepts; the log has the verdict `accept`, and `mode=observe`. The other rules work the same in both modes.",
		}, {
			Key:     "greylist.too_soon",
			Default: inSeconds(greylist.DefaultWindows.TooSoon),
			Kind:    window(0),
			Comment: "A retry before this restarts the wait.",
			Doc:     "A retry before this time probably comes from a spam engine: it is deferred, and the wait restarts. Must not be above `max_defer_time`.",
		}, {
			Key:     "greylist.min_defer_time",
			Default: inSeconds(greylist.DefaultWindows.MinDeferTime),
			Kind:    window(0),
			Comment: "A retry before this is deferred, and the wait goes on. qmail, OpenSMTPD,\nExchange and others retry after 3600 s to the second, and often miss it by\na moment; with \"3540s\" they do not.",
			Doc:     "A retry before this time is deferred, and the wait goes on. Must not be above `max_defer_time`. qmail, OpenSMTPD, Exchange and others retry after exactly 3600 s, and often come a moment too early, so that their mail waits for another half hour or hour. With `\"3540s\"` it does not.",
		}, {
			Key:     "greylist.max_defer_time",
			Default: inSeconds(greylist.DefaultWindows.MaxDeferTime),
			Kind:    window(time.Second),
			Comment: "A retry after this is deferred, and the wait restarts. Some senders retry\nonly after six hours and more; with \"2d\" their mail passes.",
			Doc:     "A retry after this time is deferred, and the wait restarts. Most mail servers retry within a few hours. Some, such as those of games and shops, retry only after six hours and more; with `\"2d\"` their mail passes too.",
		}, {
			Key:     "greylist.max_grey",
			Default: inSeconds(greylist.DefaultWindows.MaxGrey),
			Kind:    window(time.Second),
			Comment: "A passed triplet without mail for longer than this must wait again.",
			Doc:     "A passed triplet must wait again if no mail has come for longer than this. The default, almost 35 days, is enough for mail that is sent once a month.",
		}, {
			Key:     "greylist.client_prefix_ipv4",
			Default: greylist.DefaultIdentity.IPv4,
			Kind:    number{1, 32},
			Comment: "How many leading bits of an IPv4 address identify a client.",
			Doc:     "How many leading bits of an IPv4 address identify a client. With 24, a provider's servers can retry from neighbouring addresses. After a change, triplets with the old length are not used any more, and expire.",
		}, {
			Key:     "greylist.client_prefix_ipv6",
			Default: greylist.DefaultIdentity.IPv6,
			Kind:    number{1, 128},
			Comment: "How many leading bits of an IPv6 address identify a client.",
			Doc:     "How many leading bits of an IPv6 address identify a client. 64 is one subnet, whose hosts can change their addresses at will.",
		}, {
			Key:     "greylist.client_identity",
			Default: clientAddress,
			Kind:    clientIdentity,
			Comment: "address, or provider: by SPF or confirmed name, where there is one.",
			Doc:     "What identifies a client. `address`: its address, cut to the prefix. `provider`: the first of the following that exists, so that a retry from another address of the same provider, or over IPv6 after IPv4, comes from the same client. (1) `spf:DOMAIN`, if SPF passes: the registered domain of the SPF record that has the client's address, such as `spf:google.com` for mail of any domain whose SPF record includes Google's; but not if that record has more than a /8 of all addresses. (2) `name:DOMAIN`: the registered domain of the name that the mail server has confirmed; but not if that name looks like that of a home connection. (3) The address, cut to the prefix. The daemon then looks up SPF for all mail that reaches the greylist, within `dns.timeout`. The mail must still be retried. If an attempt has another identity than the one before, because DNS failed or this key was changed, the wait continues, and what has passed still passes.",
		}, {
			Key:     "greylist.sender_identity",
			Default: senderExact,
			Kind:    senderIdentity,
			Comment: "exact, or normalized: without what changes with each message.",
			Doc:     "What identifies a sender. `exact`: its address. `normalized`: its address without the parts that many senders change with each message or recipient, so that a mailing list or a shop waits once: VERP (`list-return-123-user=example.org@lists.example` becomes `list-return@lists.example`), SRS, BATV, plus addresses (`ann+tag@example.net`) and message numbers. Other addresses stay as they are, with their digits, and the registered domain always stays. Recipients are never normalized. After a change of this key, the wait of a sender continues, and what has passed still passes, if the stored sender is one of both forms of the attempt's.",
		}, {
			Key:     "greylist.reply",
			Default: "451 4.7.1 Greylisted, please try again in {wait}",
			Kind:    reply(greylist.Defer),
			Comment: "The reply; {wait} stands for the time to wait, in words.",
			Doc:     "The reply to greylisted recipients. `{wait}` stands for the time until a retry can pass, in words. `[reply]` lists other such names.",
		}, {
			Key:     "greylist.header",
			Default: false,
			Kind:    boolean{},
			Comment: "Add X-Greylist to accepted messages that waited, or that a rule accepted.",
			Doc:     "Whether accepted messages get a header field `X-Greylist`. It says how long the message was delayed (for several recipients, the longest delay), or which rule accepted it. As a milter, the daemon removes other fields of that name. As a policy service, it answers `PREPEND` at DATA, so the mail server must ask there too. A change takes effect for new connections of the mail server.",
		}, {
			Key:     "greylist.probe_senders",
			Default: []string{"double-bounce", "postmaster"},
			Kind:    list{each(checkProbe), "local parts, addresses, or patterns such as `@verify.example.org`"},
			Comment: "Senders, besides <>, of other servers' callouts.",
			Doc:     "Senders, besides the null sender, from which other mail servers check whether an address exists (callouts). A callout ends after RCPT. If it were deferred there, the other server would refuse your users' mail. So mail from these senders is greylisted at DATA instead.",
		},
	},
}

var rulesSection = Section{
	Name: "rules",
	Doc:  "Clients, senders and recipients that are accepted or refused before the greylist.",
	Options: []Option{
		{
			Key:     "rules.accept_loopback",
			Default: true,
			Kind:    boolean{},
			Comment: "Accept clients on this machine.",
			Doc:     "Accept clients at a loopback address, such as mail submitted on the MTA's own machine. Turn it off only to test on one machine.",
		}, {
			Key:     "rules.accept_verified_tls",
			Default: false,
			Kind:    boolean{},
			Comment: "Accept clients whose TLS certificate the MTA has verified.",
			Doc:     "Accept clients whose TLS certificate the MTA has verified, as if they had authenticated.",
		}, {
			Key:     "rules.allowed_senders",
			Default: []string{},
			Kind:    list{compiled(func(s []string) rules.Config { return rules.Config{AllowedSenders: s} }), "full IPv4 or IPv6 addresses"},
			Comment: "Client addresses to accept, such as [\"192.0.2.7\", \"2001:db8::7\"].",
			Doc:     "Addresses of clients that are accepted.",
		}, {
			Key:     "rules.allowed_sender_nets",
			Default: []string{},
			Kind:    list{compiled(func(s []string) rules.Config { return rules.Config{AllowedSenderNets: s} }), prefixes},
			Comment: "Client networks to accept, such as [\"192.0.2\", \"198.51.100.0/22\"].",
			Doc:     "Networks of clients that are accepted.",
		}, {
			Key:     "rules.allowed_domains",
			Default: []string{},
			Kind:    list{compiled(func(s []string) rules.Config { return rules.Config{AllowedDomains: s} }), domainPatterns},
			Comment: "Domains that this server receives mail for; empty: every domain.",
			Doc:     "Domains that this server receives mail for. A recipient of another domain is answered as `foreign_domain_action` says. Empty allows every domain.",
		}, {
			Key:     "rules.foreign_domain_action",
			Default: "defer",
			Kind:    choice{"defer", "deny", "accept"},
			Comment: "What to answer for other domains: defer, deny or accept.",
			Doc:     "The answer for a recipient whose domain is not one of `allowed_domains`.",
		}, {
			Key:     "rules.foreign_defer_reply",
			Default: "451 4.7.1 Not a domain that this server receives mail for",
			Kind:    reply(greylist.Defer),
			Comment: "The reply that goes with foreign_domain_action = \"defer\".",
			Doc:     "The reply that goes with `foreign_domain_action = \"defer\"`.",
		}, {
			Key:     "rules.foreign_deny_reply",
			Default: "550 5.7.1 Not a domain that this server receives mail for",
			Kind:    reply(greylist.Deny),
			Comment: "The reply that goes with foreign_domain_action = \"deny\".",
			Doc:     "The reply that goes with `foreign_domain_action = \"deny\"`.",
		}, {
			Key:     "rules.whitelisted_triples",
			Default: [][]string{},
			Kind:    triples{compiled(func(t [][]string) rules.Config { return rules.Config{WhitelistedTriples: t} }), "`[client, sender, recipient]`, the client as " + prefixes},
			Comment: "Client, sender and recipient that are accepted together, such as\n[[\"213.38.186.202\", \"<post@mx1.example.com>\", \"<me@example.org>\"]].",
			Doc:     "A client, a sender and a recipient that are accepted together. `*` as a sender or recipient is any, `@example.org` any of that domain, `@*.example.org` any of its subdomains, `<>` the null sender.",
		}, {
			Key:     "rules.whitelisted_nonstandard_triples",
			Default: [][]string{},
			Kind:    triples{compiled(func(t [][]string) rules.Config { return rules.Config{WhitelistedNonstandardTriples: t} }), "`[HELO name, client, recipient]`, the client as " + prefixes},
			Comment: "HELO name, client and recipient that are accepted together, such as\n[[\"listmail.example.org\", \"62.73.155.19\", \"<me@example.org>\"]].",
			Doc:     "A HELO name, a client and a recipient that are accepted together, for mailing lists that send each message from another address.",
		},
	},
}

const domainPatterns = "`example.org` (without its subdomains), `*.example.org` (its subdomains)"

const prefixes = "an address, a network such as `192.0.2.0/24`, or whole leading octets such as `192.0.2`"

var blockedSection = Section{
	Name: "blocked",
	Doc:  "Blocked senders, and the recipients that they still reach. The two files have one entry a line; a line that begins with `#` is a comment. An edit takes effect by itself.",
	Options: []Option{
		{
			Key:     "blocked.senders_file",
			Default: "/etc/greyglass/blocked_emails.list",
			Kind:    text{checkFile, "a file name, or empty"},
			Comment: "Blocked senders: user@example.org, @example.org, @*.example.org, <> or *.",
			Doc:     "The file of blocked senders: `user@example.org`, `@example.org`, `@*.example.org`, `<>` or `*`. A relative name counts from the working folder. A missing file is an empty list. A program that makes the file should write another one and rename it (greyglass-lists(5)).",
		}, {
			Key:     "blocked.exceptions_file",
			Default: "/etc/greyglass/exceptions.list",
			Kind:    text{checkFile, "a file name, or empty"},
			Comment: "Recipients that blocked senders reach: john, or john@example.org.",
			Doc:     "The file of recipients that blocked senders still reach: local parts such as `john`, or addresses. A relative name counts from the working folder. A missing file is an empty list. A program that makes the file should write another one and rename it (greyglass-lists(5)).",
		}, {
			Key:     "blocked.action",
			Default: "defer",
			Kind:    choice{"defer", "deny"},
			Comment: "What to answer to a blocked sender: defer or deny.",
			Doc:     "The answer to a blocked sender. With `defer` the sender's server retries for days.",
		}, {
			Key:     "blocked.defer_reply",
			Default: "451 4.2.2 Mailbox full, retry later",
			Kind:    reply(greylist.Defer),
			Comment: "The reply that goes with action = \"defer\".",
			Doc:     "The reply that goes with `action = \"defer\"`.",
		}, {
			Key:     "blocked.deny_reply",
			Default: "550 5.7.1 Your email has not been and will not be delivered - it has been blocked",
			Kind:    reply(greylist.Deny),
			Comment: "The reply that goes with action = \"deny\".",
			Doc:     "The reply that goes with `action = \"deny\"`.",
		},
	},
}

// window is a window of the greylist, in whole seconds.
func window(least time.Duration) duration { return duration{least, longest, time.Second} }

func inSeconds(n int64) time.Duration { return time.Duration(n) * time.Second }
