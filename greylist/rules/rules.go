// Package rules has the rules that come before the greylist: the administrator's
// lists, then expected mail, the ordered rules, correspondents and proven clients.
package rules

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// Set is all rules, in their order. It is immutable once [Config.Compile] has made it;
// a reload makes a new one.
type Set struct {
	config Config

	clients networks
	domains address.Patterns // allowed_domains; empty: every domain is allowed

	triples     networkTable[triple]
	nonstandard networkTable[nonstandardTriple]

	asksDNS bool // a condition does

	inOrder    []rule
	windows    map[string]greylist.Windows // of the ordered rules that have some
	asksClient bool

	normalizes bool // an ordered rule does
	provides   bool // an ordered rule knows clients by their provider
}

// rule is one rule. ask returns a ruling, or why there is none. An error ends the
// evaluation of the set.
type rule struct {
	name string
	ask  func(ctx context.Context, f *Facts) (ruling *Ruling, says string, err error)
}

// Config is the configuration of a [Set].
type Config struct {
	AcceptLoopback    bool
	AcceptVerifiedTLS bool

	Blocked, Exceptions address.Patterns
	BlockedVerdict      greylist.Verdict // Defer or Deny
	BlockedReply        greylist.Reply

	AllowedSenders    []string // full client addresses
	AllowedSenderNets []string // address prefixes, see ParsePrefix

	AllowedDomains []string         // example.org, or *.example.org for its subdomains
	ForeignVerdict greylist.Verdict // Defer, Deny or Accept
	ForeignReply   greylist.Reply

	WhitelistedTriples            [][]string // address prefix, sender, recipient
	WhitelistedNonstandardTriples [][]string // HELO name, address prefix, recipient

	Ordered []Rule
	Scope   Scope // of their conditions

	Lookup        Lookup        // nil: nothing is looked up
	LookupTimeout time.Duration // of all look-ups for one message together
}

// A ListError is the error of one entry of one of a [Config]'s lists.
type ListError struct {
	Key   string // as in the configuration: "allowed_senders"
	Index int    // of the entry, from zero
	Err   error
}

func (e *ListError) Error() string { return fmt.Sprintf("%s[%d]: %v", e.Key, e.Index, e.Err) }
func (e *ListError) Unwrap() error { return e.Err }

// Compile makes a set. Its error joins a [*ListError] for each entry that is wrong.
func (s Config) Compile() (*Set, error) {
	r := &Set{
		config:     s,
		windows:    make(map[string]greylist.Windows),
		asksClient: len(s.Ordered)+len(s.WhitelistedNonstandardTriples) > 0,
	}
	r.inOrder = []rule{
		{"local client", fromLists(r.local)},
		{"blocked sender", fromLists(r.blockedSender)},
		{"authenticated client", fromLists(r.authenticated)},
		{"allowed client", fromLists(r.allowedClient)},
		{"allowed domain", fromLists(r.foreignDomain)},
		{"whitelisted triple", fromLists(r.whitelistedTriple)},
		{"whitelisted nonstandard triple", fromLists(r.whitelistedNonstandard)},
		{ExpectedMail, expectedMail},
	}
	var errs []error
	scope := s.Scope
	scope.DNS = func(...string) { r.asksDNS = true }
	for _, rule := range s.Ordered {
		compiled, err := rule.compile(scope)
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %q: %w", rule.Name, err))
			continue
		}
		r.inOrder = append(r.inOrder, compiled)
		if w := rule.Windows; w != nil {
			r.windows[rule.Name] = *w
		}
		if id := rule.Identity; id != nil {
			r.normalizes, r.provides = r.normalizes || id.Normalized, r.provides || id.Provider
		}
	}
	r.inOrder = append(r.inOrder, rule{"correspondent", correspondent}, rule{"proven client", provenClient})
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

// Greylist is the verdict of a rule that sends the attempt to the greylist, past all
// further rules.
const Greylist greylist.Verdict = "greylist"

// Ruling is the answer of a rule. It is immutable.
type Ruling struct {
	Verdict greylist.Verdict // Accept, Defer, Deny or [Greylist]
	Reason  greylist.Reason  // unless the verdict is [Greylist]
	Because string           // what matched: "client is in 192.0.2.0/24"

	// Reply is empty with Accept. With [Greylist], an empty reply means the policy's.
	Reply greylist.Reply

	// Windows are set with [Greylist] only; nil means the policy's.
	Windows *greylist.Windows

	// Identity is set with [Greylist] only; nil means the policy's.
	Identity *greylist.Identity

	Rule string // the name of the [[rule]]

	// Client is the identity that is proven, with [greylist.ReasonProvenClient].
	Client string
}

// Step is one rule that was asked, and its answer, for explain.
type Step struct {
	Rule   string // "allowed client"
	Says   string // what matched, or why nothing matched
	Ruling *Ruling
}

// Ask asks the rules in order, and returns the first ruling; nil means that the
// greylist decides. It calls trace, which may be nil, for each rule that it asked.
func (s *Set) Ask(ctx context.Context, f *Facts, trace func(Step)) (*Ruling, error) {
	s.Bind(f)
	f.traced = trace != nil
	for i := range s.inOrder {
		rule := &s.inOrder[i]
		ruling, says, err := rule.ask(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", rule.name, err)
		}
		if trace != nil {
			if ruling != nil {
				says = ruling.Because
			}
			trace(Step{Rule: rule.name, Says: says, Ruling: ruling})
		}
		if ruling != nil {
			return ruling, nil
		}
	}
	return nil, nil
}

// Windows returns the windows of the ordered rules that have some, by their names.
func (s *Set) Windows() map[string]greylist.Windows { return s.windows }

// AsksDNS reports whether a rule asks for anything in DNS.
func (s *Set) AsksDNS() bool { return s.asksDNS || s.provides }

// Provides reports whether an ordered rule knows clients by their provider.
func (s *Set) Provides() bool { return s.provides }

// AsksClient reports whether a rule may ask for the names of a client: its own, or that which
// it gives with HELO.
func (s *Set) AsksClient() bool { return s.asksClient }

// Normalizes reports whether an ordered rule normalizes senders.
func (s *Set) Normalizes() bool { return s.normalizes }

// Bind sets the lookup of the facts; [Set.Ask] calls it.
func (s *Set) Bind(f *Facts) { f.look, f.timeout = s.config.Lookup, s.config.LookupTimeout }

// fromLists makes the ask function of a rule that needs no look-up.
func fromLists(ask func(*Facts) (*Ruling, string)) func(context.Context, *Facts) (*Ruling, string, error) {
	return func(_ context.Context, f *Facts) (*Ruling, string, error) {
		ruling, says := ask(f)
		return ruling, says, nil
	}
}

func accept(reason greylist.Reason, because string) (*Ruling, string) {
	return &Ruling{Verdict: greylist.Accept, Reason: reason, Because: because}, ""
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
	case !r.config.AcceptLoopback:
		return nil, "client is loopback, but accept_loopback is off"
	}
	return accept(greylist.ReasonLocal, "client is loopback")
}

func (r *Set) blockedSender(k *Facts) (*Ruling, string) {
	pattern, ok := r.config.Blocked.Match(k.Sender)
	if !ok {
		return nil, "sender is not on the blocked list"
	}
	if exception, ok := r.config.Exceptions.Match(k.Recipient); ok {
		return accept(greylist.ReasonException, fmt.Sprintf("sender is blocked by %q, recipient is excepted by %q", pattern, exception))
	}
	return &Ruling{Verdict: r.config.BlockedVerdict, Reason: greylist.ReasonBlocked, Reply: r.config.BlockedReply,
		Because: fmt.Sprintf("sender is blocked by %q, recipient is not excepted", pattern)}, ""
}

func (r *Set) authenticated(k *Facts) (*Ruling, string) {
	switch {
	case k.Authenticated:
		return accept(greylist.ReasonAuthenticated, "client authenticated")
	case k.VerifiedTLS && r.config.AcceptVerifiedTLS:
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
	return &Ruling{Verdict: r.config.ForeignVerdict, Reason: greylist.ReasonForeignDomain, Reply: r.config.ForeignReply,
		Because: fmt.Sprintf("%q is not one of allowed_domains", domain)}, ""
}
