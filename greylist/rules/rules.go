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

	triples     triples // whitelisted_triples
	nonstandard triples // whitelisted_nonstandard_triples

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
func (c Config) Compile() (*Set, error) {
	s := &Set{
		config:     c,
		windows:    make(map[string]greylist.Windows),
		asksClient: len(c.Ordered)+len(c.WhitelistedNonstandardTriples) > 0,
	}
	s.inOrder = []rule{
		{"local client", fromLists(s.local)},
		{"blocked sender", fromLists(s.blockedSender)},
		{"authenticated client", fromLists(s.authenticated)},
		{"allowed client", fromLists(s.allowedClient)},
		{"allowed domain", fromLists(s.foreignDomain)},
		{"whitelisted triple", fromLists(s.whitelistedTriple)},
		{"whitelisted nonstandard triple", fromLists(s.whitelistedNonstandard)},
		{ExpectedMail, expectedMail},
	}
	var errs []error
	scope := c.Scope
	scope.DNS = func(...string) { s.asksDNS = true }
	for _, rule := range c.Ordered {
		compiled, err := rule.compile(scope)
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %q: %w", rule.Name, err))
			continue
		}
		s.inOrder = append(s.inOrder, compiled)
		if w := rule.Windows; w != nil {
			s.windows[rule.Name] = *w
		}
		if id := rule.Identity; id != nil {
			s.normalizes, s.provides = s.normalizes || id.Normalized, s.provides || id.Provider
		}
	}
	s.inOrder = append(s.inOrder, rule{"correspondent", correspondent}, rule{"proven client", provenClient})
	note := func(key string, index int, err error) {
		if err != nil {
			errs = append(errs, &ListError{key, index, err})
		}
	}
	for i, entry := range c.AllowedSenders {
		addr, err := address.ParseAddress(entry)
		if err == nil {
			s.clients.insert(netip.PrefixFrom(addr, addr.BitLen()))
		}
		note("allowed_senders", i, err)
	}
	for i, entry := range c.AllowedSenderNets {
		prefix, err := address.ParsePrefix(entry)
		if err == nil {
			s.clients.insert(prefix)
		}
		note("allowed_sender_nets", i, err)
	}
	for i, entry := range c.AllowedDomains {
		note("allowed_domains", i, s.domains.AddDomain(entry))
	}
	for i, entry := range c.WhitelistedTriples {
		note("whitelisted_triples", i, s.addTriple(entry))
	}
	for i, entry := range c.WhitelistedNonstandardTriples {
		note("whitelisted_nonstandard_triples", i, s.addNonstandard(entry))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
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

func (s *Set) local(f *Facts) (*Ruling, string) {
	addr, ok := f.Client.Addr()
	switch {
	case f.Client.Local():
		return accept(greylist.ReasonLocal, "client has no network address")
	case !ok:
		return nil, fmt.Sprintf("%q is not an address", f.Client.String())
	case !addr.IsLoopback():
		return nil, "client has a network address that is not loopback"
	case !s.config.AcceptLoopback:
		return nil, "client is loopback, but accept_loopback is off"
	}
	return accept(greylist.ReasonLocal, "client is loopback")
}

func (s *Set) blockedSender(f *Facts) (*Ruling, string) {
	pattern, ok := s.config.Blocked.Match(f.Sender)
	if !ok {
		return nil, "sender is not on the blocked list"
	}
	if exception, ok := s.config.Exceptions.Match(f.Recipient); ok {
		return accept(greylist.ReasonException, fmt.Sprintf("sender is blocked by %q, recipient is excepted by %q", pattern, exception))
	}
	return &Ruling{Verdict: s.config.BlockedVerdict, Reason: greylist.ReasonBlocked, Reply: s.config.BlockedReply,
		Because: fmt.Sprintf("sender is blocked by %q, recipient is not excepted", pattern)}, ""
}

func (s *Set) authenticated(f *Facts) (*Ruling, string) {
	switch {
	case f.Authenticated:
		return accept(greylist.ReasonAuthenticated, "client authenticated")
	case f.VerifiedTLS && s.config.AcceptVerifiedTLS:
		return accept(greylist.ReasonAuthenticated, "client showed a verified TLS certificate")
	case f.VerifiedTLS:
		return nil, "client showed a verified TLS certificate, but accept_verified_tls is off"
	}
	return nil, "client did not authenticate"
}

func (s *Set) allowedClient(f *Facts) (*Ruling, string) {
	if addr, ok := f.Client.Addr(); ok {
		if network, ok := s.clients.find(addr); ok {
			return accept(greylist.ReasonAllowedClient, fmt.Sprintf("client is in %s", network))
		}
	}
	return nil, "client is not in allowed_senders or allowed_sender_nets"
}

func (s *Set) foreignDomain(f *Facts) (*Ruling, string) {
	if s.domains.Empty() {
		return nil, "allowed_domains is empty, so every domain is allowed"
	}
	_, domain, hasDomain := address.Cut(f.Recipient)
	if !hasDomain {
		return nil, "recipient has no domain, so it is local" // RFC 5321, section 4.1.1.3: <Postmaster>
	}
	if _, ok := s.domains.MatchDomain(domain); ok {
		return nil, "recipient's domain is one of allowed_domains"
	}
	return &Ruling{Verdict: s.config.ForeignVerdict, Reason: greylist.ReasonForeignDomain, Reply: s.config.ForeignReply,
		Because: fmt.Sprintf("%q is not one of allowed_domains", domain)}, ""
}
