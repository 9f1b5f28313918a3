package greylist

import (
	"errors"
	"fmt"
	"net/netip"
)

// Rules are rules 0 to 4: what the administrator's lists say, before anything
// is remembered. A Rules value never changes once it is made by [RuleSet.Compile];
// a reload makes a new one.
type Rules struct {
	acceptLoopback    bool
	acceptVerifiedTLS bool

	blocked    Patterns
	exceptions Patterns
	whenBlocked,
	whenForeign outcome

	clients networks
	domains Patterns // allowed_domains; empty: every domain is allowed

	triples     networkTable[triple]
	nonstandard networkTable[nonstandardTriple]
}

// RuleSet is what rules are made of, as the configuration has it.
type RuleSet struct {
	AcceptLoopback    bool
	AcceptVerifiedTLS bool

	Blocked, Exceptions Patterns
	BlockedVerdict      Verdict // Defer or Deny
	BlockedReply        Reply   // that goes with the verdict

	AllowedSenders    []string // full client addresses
	AllowedSenderNets []string // address prefixes, see ParsePrefix

	AllowedDomains []string // example.org, or *.example.org for its subdomains
	ForeignVerdict Verdict  // Defer, Deny or Accept
	ForeignReply   Reply    // that goes with the verdict

	WhitelistedTriples            [][]string // address prefix, sender, recipient
	WhitelistedNonstandardTriples [][]string // HELO name, address prefix, recipient
}

// A ListError is a mistake in one entry of one of a [RuleSet]'s lists.
type ListError struct {
	Key   string // as in the configuration: "allowed_senders"
	Index int    // of the entry, from zero
	Err   error
}

func (e *ListError) Error() string { return fmt.Sprintf("%s[%d]: %v", e.Key, e.Index, e.Err) }
func (e *ListError) Unwrap() error { return e.Err }

// Compile makes rules of the set. Its error joins a [*ListError] for each
// mistake, not only for the first.
func (s RuleSet) Compile() (*Rules, error) {
	r := &Rules{
		acceptLoopback:    s.AcceptLoopback,
		acceptVerifiedTLS: s.AcceptVerifiedTLS,
		blocked:           s.Blocked,
		exceptions:        s.Exceptions,
		whenBlocked:       outcome{s.BlockedVerdict, s.BlockedReply},
		whenForeign:       outcome{s.ForeignVerdict, s.ForeignReply},
	}
	var errs []error
	note := func(key string, index int, err error) {
		if err != nil {
			errs = append(errs, &ListError{key, index, err})
		}
	}
	for i, entry := range s.AllowedSenders {
		addr, err := ParseAddress(entry)
		if err == nil {
			r.clients.insert(netip.PrefixFrom(addr, addr.BitLen()))
		}
		note("allowed_senders", i, err)
	}
	for i, entry := range s.AllowedSenderNets {
		prefix, err := ParsePrefix(entry)
		if err == nil {
			r.clients.insert(prefix)
		}
		note("allowed_sender_nets", i, err)
	}
	for i, entry := range s.AllowedDomains {
		note("allowed_domains", i, r.domains.addAllowedDomain(entry))
	}
	for i, entry := range s.WhitelistedTriples {
		note("whitelisted_triples", i, r.addTriple(entry))
	}
	for i, entry := range s.WhitelistedNonstandardTriples {
		note("whitelisted_nonstandard_triples", i, r.addNonstandard(entry))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// outcome is what a rule answers that the administrator can choose.
type outcome struct {
	verdict Verdict
	reply   Reply
}

// Ruling is the answer of one of rules 0 to 4.
type Ruling struct {
	Verdict Verdict
	Reason  Reason
	Reply   Reply  // unless the verdict is Accept
	Because string // what matched, for people: "client is in 192.0.2.0/24"
}

// Step is one rule that was asked, and what it said, for people to follow.
type Step struct {
	Rule   string // "allowed client"
	Says   string // what matched, or why nothing did
	Ruling *Ruling
}

// Ask asks the rules in their order. The first that has an answer gives it; if
// none has, the greylist is to be asked. trace, which may be nil, is told of
// each rule that was asked.
func (r *Rules) Ask(a *Attempt, trace func(Step)) (Ruling, bool) { return r.ask(newKnock(a), trace) }

func (r *Rules) ask(k *knock, trace func(Step)) (Ruling, bool) {
	for _, rule := range inOrder {
		ruling, says := rule.ask(r, k)
		if trace != nil {
			step := Step{Rule: rule.name, Says: says}
			if ruling != nil {
				step.Says, step.Ruling = ruling.Because, ruling
			}
			trace(step)
		}
		if ruling != nil {
			return *ruling, true
		}
	}
	return Ruling{}, false
}

// inOrder are the rules in the order in which they are asked. Each answers, or
// says why it has no answer.
var inOrder = []struct {
	name string
	ask  func(*Rules, *knock) (*Ruling, string)
}{
	{"local client", (*Rules).local},
	{"blocked sender", (*Rules).blockedSender},
	{"authenticated client", (*Rules).authenticated},
	{"allowed client", (*Rules).allowedClient},
	{"allowed domain", (*Rules).foreignDomain},
	{"whitelisted triple", (*Rules).whitelistedTriple},
	{"whitelisted nonstandard triple", (*Rules).whitelistedNonstandard},
}

func accept(reason Reason, because string) (*Ruling, string) {
	return &Ruling{Verdict: Accept, Reason: reason, Because: because}, ""
}

func (o outcome) because(reason Reason, because string) (*Ruling, string) {
	return &Ruling{Verdict: o.verdict, Reason: reason, Reply: o.reply, Because: because}, ""
}

func (r *Rules) local(k *knock) (*Ruling, string) {
	addr, ok := k.Client.Addr()
	switch {
	case k.Client.Local():
		return accept(ReasonLocal, "client has no network address")
	case !ok:
		return nil, fmt.Sprintf("%q is not an address", k.Client.String())
	case !addr.IsLoopback():
		return nil, "client has a network address that is not loopback"
	case !r.acceptLoopback:
		return nil, "client is loopback, but accept_loopback is off"
	}
	return accept(ReasonLocal, "client is loopback")
}

func (r *Rules) blockedSender(k *knock) (*Ruling, string) {
	pattern, ok := r.blocked.Match(k.sender)
	if !ok {
		return nil, "sender is not on the blocked list"
	}
	if exception, ok := r.exceptions.Match(k.recipient); ok {
		return accept(ReasonException, fmt.Sprintf("sender is blocked by %q, recipient is excepted by %q", pattern, exception))
	}
	return r.whenBlocked.because(ReasonBlocked, fmt.Sprintf("sender is blocked by %q, recipient is not excepted", pattern))
}

func (r *Rules) authenticated(k *knock) (*Ruling, string) {
	switch {
	case k.Authenticated:
		return accept(ReasonAuthenticated, "client authenticated")
	case k.VerifiedTLS && r.acceptVerifiedTLS:
		return accept(ReasonAuthenticated, "client showed a verified TLS certificate")
	case k.VerifiedTLS:
		return nil, "client showed a verified TLS certificate, but accept_verified_tls is off"
	}
	return nil, "client did not authenticate"
}

func (r *Rules) allowedClient(k *knock) (*Ruling, string) {
	if addr, ok := k.Client.Addr(); ok {
		if network, ok := r.clients.find(addr); ok {
			return accept(ReasonAllowedClient, fmt.Sprintf("client is in %s", network))
		}
	}
	return nil, "client is not in allowed_senders or allowed_sender_nets"
}

func (r *Rules) foreignDomain(k *knock) (*Ruling, string) {
	if r.domains.Empty() {
		return nil, "allowed_domains is empty, so every domain is allowed"
	}
	_, domain, hasDomain := cutDomain(k.recipient)
	if !hasDomain {
		return nil, "recipient has no domain, so it is local" // RFC 5321, section 4.1.1.3: <Postmaster>
	}
	if _, ok := r.domains.matchDomain(domain); ok {
		return nil, "recipient's domain is one of allowed_domains"
	}
	return r.whenForeign.because(ReasonForeignDomain, fmt.Sprintf("%q is not one of allowed_domains", domain))
}
