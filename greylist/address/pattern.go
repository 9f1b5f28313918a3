package address

import (
	"maps"
	"slices"
	"strings"

	"greyglass/greylist/problem"
)

// Patterns is an immutable set of address patterns, as lists hold them:
//
//	user@example.org   that address
//	@example.org       any address of that domain, not of its subdomains
//	@*.example.org     any address of its subdomains, not of the domain itself
//	<>                 the null sender
//	*                  any address, the null sender too
//	user               any address with that local part (only in lists of recipients)
//
// Looking an address up costs the same however many patterns there are.
type Patterns struct {
	any        bool
	addresses  map[string]bool // folded; NullSender among them
	domains    map[string]bool
	subdomains map[string]bool // of the domain that is the key
	locals     map[string]bool
}

// Whose says whose addresses a pattern is for.
type Whose int

const (
	Senders    Whose = iota // <> is the null sender; a bare local part means nothing
	Recipients              // a bare local part is a mailbox at any domain; there is no null recipient
)

// Add adds a pattern to the set. It must not be called once the set is in use.
func (p *Patterns) Add(pattern string, whose Whose) error {
	s := strings.TrimSpace(pattern)
	if strings.HasPrefix(s, "<") != strings.HasSuffix(s, ">") || strings.ContainsAny(strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">"), "<>") {
		return problem.Of(pattern, "", "has an angle bracket without its partner")
	}
	if s == NullSender {
		if whose == Recipients {
			return problem.Of(pattern, "", "is the null sender, and never a recipient")
		}
		put(&p.addresses, NullSender)
		return nil
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">")
	if s == "*" {
		p.any = true
		return nil
	}
	local, domain, hasDomain := Cut(s)
	if hasDomain && (local == "" || local == "*") { // Exim writes *@example.org
		return p.addDomain(pattern, domain)
	}
	switch {
	case s == "" || Printable(s) != s:
		return problem.Of(pattern, "", "is not an address")
	case strings.ContainsAny(s, " \t") && !strings.Contains(s, `"`):
		return problem.Of(pattern, "write one address", "holds a space")
	case hasDomain && strings.Contains(domain, "*"), strings.Trim(local, "*") == "":
		return problem.Of(pattern, "write @example.org for a domain, @*.example.org for its subdomains, or * for any address", "is not a pattern")
	case hasDomain && domain == "":
		return problem.Of(pattern, "", "has nothing after the @")
	case hasDomain:
		return p.addAddress(pattern, s)
	case strings.ContainsAny(s, separators) && !strings.Contains(s, `"`):
		return problem.Of(pattern, "write one address", "holds more than an address")
	case whose == Recipients:
		put(&p.locals, Fold(s))
	default:
		return problem.Of(pattern, "write user@example.org, or @example.org for a whole domain", "is not an address")
	}
	return nil
}

// separators stand in no address outside quotes (RFC 5321, section 4.1.2), but
// between several, or before one.
const separators = ",;:"

func (p *Patterns) addAddress(pattern, s string) error {
	folded := Fold(s)
	local, domain, _ := Cut(folded)
	if _, err := foldDomain(domain); err != nil {
		return problem.Within(pattern, "is not an address", err)
	}
	if strings.ContainsAny(local, separators+"@") && !strings.Contains(s, `"`) {
		return problem.Of(pattern, "write one, as user@example.org", "is not an address")
	}
	put(&p.addresses, folded)
	return nil
}

func (p *Patterns) addDomain(pattern, domain string) error {
	sub := strings.HasPrefix(domain, "*.")
	name, err := foldDomain(strings.TrimPrefix(domain, "*."))
	if err != nil {
		return problem.Within(pattern, "is not a pattern", err)
	}
	if sub {
		put(&p.subdomains, name)
	} else {
		put(&p.domains, name)
	}
	return nil
}

// AddDomain adds an entry of allowed_domains: a domain, or *.domain for
// its subdomains, with or without an "@" before it.
func (p *Patterns) AddDomain(entry string) error {
	return p.addDomain(entry, strings.TrimPrefix(strings.TrimSpace(entry), "@"))
}

// foldDomain checks a domain of a list, and brings it into the form in which
// domains are compared.
func foldDomain(s string) (string, error) {
	name := strings.ToLower(s)
	if name == "" || strings.ContainsAny(name, " \t*@<>,;/#\"") || strings.Contains(name, ":") && !strings.HasPrefix(name, "[") || Printable(name) != name ||
		strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, "..") {
		return "", problem.Of(s, "write it as example.org", "is not a domain")
	}
	return Domain(name), nil
}

func put(m *map[string]bool, key string) {
	if *m == nil {
		*m = make(map[string]bool)
	}
	(*m)[key] = true
}

// Match looks up a folded address and returns the pattern that matches it.
func (p *Patterns) Match(folded string) (pattern string, ok bool) {
	if p.addresses[folded] {
		return folded, true
	}
	local, domain, hasDomain := Cut(folded)
	if p.locals[local] {
		return local, true
	}
	if hasDomain {
		if pattern, ok := p.MatchDomain(domain); ok {
			return pattern, true
		}
	}
	if p.any {
		return "*", true
	}
	return "", false
}

func (p *Patterns) MatchDomain(domain string) (pattern string, ok bool) {
	if p.domains[domain] {
		return "@" + domain, true
	}
	for len(p.subdomains) > 0 {
		_, parent, more := strings.Cut(domain, ".")
		if !more {
			break
		}
		if p.subdomains[parent] {
			return "@*." + parent, true
		}
		domain = parent
	}
	return "", false
}

// Empty reports whether the set has no pattern.
func (p *Patterns) Empty() bool {
	return !p.any && len(p.addresses)+len(p.domains)+len(p.subdomains)+len(p.locals) == 0
}

// Unconverted returns, sorted, the internationalized domains of the set that do
// not convert to their form for the DNS.
func (p *Patterns) Unconverted() []string {
	var all []string
	for a := range p.addresses {
		if _, domain, _ := Cut(a); !IsASCII(domain) {
			all = append(all, domain)
		}
	}
	for _, domains := range []map[string]bool{p.domains, p.subdomains} {
		for domain := range domains {
			if !IsASCII(domain) {
				all = append(all, domain)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// ParsePatterns makes a set of patterns.
func ParsePatterns(whose Whose, patterns ...string) (Patterns, error) {
	var p Patterns
	for _, pattern := range patterns {
		if err := p.Add(pattern, whose); err != nil {
			return Patterns{}, err
		}
	}
	return p, nil
}

// All returns the patterns, sorted, each as [Patterns.Match] returns it.
func (p *Patterns) All() []string {
	all := slices.Concat(slices.Collect(maps.Keys(p.addresses)), slices.Collect(maps.Keys(p.locals)))
	for domain := range p.domains {
		all = append(all, "@"+domain)
	}
	for parent := range p.subdomains {
		all = append(all, "@*."+parent)
	}
	if p.any {
		all = append(all, "*")
	}
	slices.Sort(all)
	return all
}

// Len returns how many different patterns there are.
func (p *Patterns) Len() int {
	n := len(p.addresses) + len(p.domains) + len(p.subdomains) + len(p.locals)
	if p.any {
		n++
	}
	return n
}
