// Package rules are rules 0 to 4: what the administrator's lists say of an attempt,
// before anything is remembered.
package rules

import (
	"errors"
	"fmt"
	"net/netip"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// Rules are rules 0 to 4: what the administrator's lists say, before anything
// is remembered. A Rules value never changes once it is made by [Config.Compile];
// a reload makes a new one.
type Set struct {
	acceptLoopback    bool
	acceptVerifiedTLS bool

	blocked    address.Patterns
	exceptions address.Patterns
	whenBlocked,
	whenForeign outcome

	clients networks
	domains address.Patterns // allowed_domains; empty: every domain is allowed

	triples     networkTable[triple]
	nonstandard networkTable[nonstandardTriple]
}

// RuleSet is what rules are made of, as the configuration has it.
type Config struct {
	AcceptLoopback    bool
	AcceptVerifiedTLS bool

	Blocked, Exceptions address.Patterns
	BlockedVerdict      greylist.Verdict // Defer or Deny
	BlockedReply        greylist.Reply   // that goes with the verdict

	AllowedSenders    []string // full client addresses
	AllowedSenderNets []string // address prefixes, see ParsePrefix

	AllowedDomains []string         // example.org, or *.example.org for its subdomains
	ForeignVerdict greylist.Verdict // Defer, Deny or Accept
	ForeignReply   greylist.Reply   // that goes with the verdict

	WhitelistedTriples            [][]string // address prefix, sender, recipient
	WhitelistedNonstandardTriples [][]string // HELO name, address prefix, recipient
}

// A ListError is a mistake in one entry of one of a [Config.Config]'s lists.
type ListError struct {
	Key   string // as in the configuration: "allowed_senders"
	Index int    // of the entry, from zero
	Err   error
}

func (e *ListError) Error() string { return fmt.Sprintf("%s[%d]: %v", e.Key, e.Index, e.Err) }
func (e *ListError) Unwrap() error { return e.Err }

// Compile makes rules of the set. Its error joins a [*ListError] for each
// mistake, not only for the first.
func (s Config) Compile() (*Set, error) {
	r := &Set{
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
		addr, err := address.ParseAddress(entry)
		if err == nil {
			r.clients.insert(netip.PrefixFrom(addr, addr.BitLen()))
		}
		note("allowed_senders", i, err)
	}
	for i, entry := range s.AllowedSenderNets {
		prefix, err := address.ParsePrefix(entry)
		if err == nil {
			r.clients.insert(prefix)
		}
		note("allowed_sender_nets", i, err)
	}
	for i, entry := range s.AllowedDomains {
		note("allowed_domains", i, r.domains.AddDomain(entry))
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
	verdict greylist.Verdict
	reply   greylist.Reply
}

// Ruling is the answer of one of rules 0 to 4.
type Ruling struct {
	Verdict greylist.Verdict
	Reason  greylist.Reason
	Reply   greylist.Reply // unless the verdict is Accept
	Because string         // what matched, for people: "client is in 192.0.2.0/24"
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
func (r *Set) Ask(a *greylist.Attempt, trace func(Step)) (Ruling, bool) {
	return r.AskFacts(NewFacts(a), trace)
}

func (r *Set) AskFacts(k *Facts, trace func(Step)) (Ruling, bool) {
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
	ask  func(*Set, *Facts) (*Ruling, string)
}{
	{"local client", (*Set).local},
	{"blocked sender", (*Set).blockedSender},
	{"authenticated client", (*Set).authenticated},
	{"allowed client", (*Set).allowedClient},
	{"allowed domain", (*Set).foreignDomain},
	{"whitelisted triple", (*Set).whitelistedTriple},
	{"whitelisted nonstandard triple", (*Set).whitelistedNonstandard},
}

func accept(reason greylist.Reason, because string) (*Ruling, string) {
	return &Ruling{Verdict: greylist.Accept, Reason: reason, Because: because}, ""
}

func (o outcome) because(reason greylist.Reason, because string) (*Ruling, string) {
	return &Ruling{Verdict: o.verdict, Reason: reason, Reply: o.reply, Because: because}, ""
}

func (r *Set) local(k *Facts) (*Ruling, string) {
	addr, ok := k.Client.Addr()
	switch {
	case k.Client.Local():
		return accept(greylist.ReasonLocal, "client has no network address")
	case !ok:
		return nil, fmt.Sprintf("%q is not an address", k.Client.String())
	case !addr.IsLoopback():
		return nil, "client has a network address that is not loopback"
	case !r.acceptLoopback:
		return nil, "client is loopback, but accept_loopback is off"
	}
	return accept(greylist.ReasonLocal, "client is loopback")
}

func (r *Set) blockedSender(k *Facts) (*Ruling, string) {
	pattern, ok := r.blocked.Match(k.Sender)
	if !ok {
		return nil, "sender is not on the blocked list"
	}
	if exception, ok := r.exceptions.Match(k.Recipient); ok {
		return accept(greylist.ReasonException, fmt.Sprintf("sender is blocked by %q, recipient is excepted by %q", pattern, exception))
	}
	return r.whenBlocked.because(greylist.ReasonBlocked, fmt.Sprintf("sender is blocked by %q, recipient is not excepted", pattern))
}

func (r *Set) authenticated(k *Facts) (*Ruling, string) {
	switch {
	case k.Authenticated:
		return accept(greylist.ReasonAuthenticated, "client authenticated")
	case k.VerifiedTLS && r.acceptVerifiedTLS:
		return accept(greylist.ReasonAuthenticated, "client showed a verified TLS certificate")
	case k.VerifiedTLS:
		return nil, "client showed a verified TLS certificate, but accept_verified_tls is off"
	}
	return nil, "client did not authenticate"
}

func (r *Set) allowedClient(k *Facts) (*Ruling, string) {
	if addr, ok := k.Client.Addr(); ok {
		if network, ok := r.clients.find(addr); ok {
			return accept(greylist.ReasonAllowedClient, fmt.Sprintf("client is in %s", network))
		}
	}
	return nil, "client is not in allowed_senders or allowed_sender_nets"
}

func (r *Set) foreignDomain(k *Facts) (*Ruling, string) {
	if r.domains.Empty() {
		return nil, "allowed_domains is empty, so every domain is allowed"
	}
	_, domain, hasDomain := address.Cut(k.Recipient)
	if !hasDomain {
		return nil, "recipient has no domain, so it is local" // RFC 5321, section 4.1.1.3: <Postmaster>
	}
	if _, ok := r.domains.MatchDomain(domain); ok {
		return nil, "recipient's domain is one of allowed_domains"
	}
	return r.whenForeign.because(greylist.ReasonForeignDomain, fmt.Sprintf("%q is not one of allowed_domains", domain))
}
