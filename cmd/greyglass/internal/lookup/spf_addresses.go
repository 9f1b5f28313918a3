package lookup

import (
	"context"
	"net/netip"
	"strings"

	"greyglass/greylist/rules"
)

const (
	// maxSPFLookups is the limit of RFC 7208, section 4.6.4.
	maxSPFLookups = 10

	// maxSPFAddresses bounds the memory of one domain, and maxSPFOctets, of all its records,
	// the time. The largest senders need 5000 octets.
	maxSPFAddresses = 500
	maxSPFOctets    = 16 << 10
)

// passing are the addresses that pass the check of a domain, in the order of its records,
// up to the first mechanism that is neither an address nor an include. Most domains have
// no other, and the check of an address among them costs a tenth of what the library
// needs. For any other address the library is asked.
type passing struct {
	addresses []passingAddress
	whole     bool // there are no more; else the records were read up to the last of them
}

type passingAddress struct {
	prefix        netip.Prefix
	provider, why string
}

// find returns the result for a client that passes.
func (p *passing) find(client netip.Addr) (rules.SPF, bool) {
	for _, a := range p.addresses {
		if a.prefix.Contains(client) {
			return rules.SPF{Result: rules.SPFPass, Provider: a.provider, Why: a.why}, true
		}
	}
	return rules.SPF{}, false
}

func (p *passing) size() int {
	const each = 64
	n := 0
	for _, a := range p.addresses {
		n += each + len(a.provider) + len(a.why)
	}
	return n
}

// passing returns what is known of a domain.
func (r *Resolver) passing(domain string) *passing {
	if known, ok := r.cache.get(passingKey(domain), r.now()); ok {
		return known.(*passing)
	}
	return new(passing)
}

func passingKey(domain string) string { return "SPF " + domain }

// byAddress checks the client by the addresses of the records alone, and reports whether
// it passes. It asks for no record after the one that matches.
func (c *spfCheck) byAddress(ctx context.Context) (rules.SPF, bool) {
	p := new(passing)
	ends := c.collect(ctx, p, c.domain, new(int))
	found, passes := p.find(c.client)
	if p.whole = !passes; passes || ends != unanswered {
		c.resolver.cache.put(passingKey(c.domain), p, p.size(), c.expires)
	}
	if !passes {
		c.records = c.records[:0]
	}
	return found, passes
}

// ending is how the collection of addresses from a record ends.
type ending int

const (
	matched    ending = iota // the client passes
	unmatched                // the whole record was read
	unclear                  // the library must be asked
	unanswered               // so must it, and DNS did not answer
)

// collect appends the addresses of a record, and of those that it includes or redirects
// to, until the client's is among them.
func (c *spfCheck) collect(ctx context.Context, into *passing, name string, lookups *int) ending {
	texts, err := c.LookupTXT(ctx, name)
	switch {
	case err != nil && !isNotFound(err):
		return unanswered
	case len(texts) != 1 || strings.Count(strings.ToLower(texts[0]), "redirect=") > 1:
		return unclear
	case c.octets() > maxSPFOctets:
		return unclear
	}
	r := c.records[len(c.records)-1]
	redirect, provider, reached, asked := "", "", "", 0
	for term := range strings.SplitSeq(r.text, " ") {
		lower := strings.ToLower(term)
		target, includes := strings.CutPrefix(lower, "include:")
		switch {
		case lower == "" || lower == "v=spf1" || strings.HasPrefix(lower, "exp="):
		case strings.HasPrefix(lower, "redirect="):
			redirect = lower[len("redirect="):]
		case includes:
			if ends := c.follow(ctx, into, target, lookups); ends != unmatched {
				return ends
			}
		case lower == "-all" || lower == "~all" || lower == "?all":
			return unmatched
		default:
			prefix, ok := addressOf(lower)
			if !ok || len(into.addresses) == maxSPFAddresses {
				return unclear
			}
			if asked != len(c.records) { // both depend on the records that were asked for
				provider, reached, asked = c.providerOf(r), c.reference(r), len(c.records)
			}
			why := reached
			if r.name == c.domain {
				why = printable(term)
			}
			into.addresses = append(into.addresses, passingAddress{prefix, provider, why})
			if prefix.Contains(c.client) {
				return matched
			}
		}
	}
	if redirect != "" {
		return c.follow(ctx, into, redirect, lookups)
	}
	return unmatched
}

// octets is the length of all records that were asked for.
func (c *spfCheck) octets() (n int) {
	for _, r := range c.records {
		n += len(r.text)
	}
	return n
}

func (c *spfCheck) follow(ctx context.Context, into *passing, name string, lookups *int) ending {
	if *lookups++; *lookups > maxSPFLookups || name == "" || strings.ContainsAny(name, "%/") {
		return unclear
	}
	return c.collect(ctx, into, name, lookups)
}

// addressOf reads a mechanism, in lower case, whose value is an address or prefix.
func addressOf(term string) (p netip.Prefix, ok bool) {
	mechanism, value, _ := strings.Cut(strings.TrimPrefix(term, "+"), ":")
	if mechanism != "ip4" && mechanism != "ip6" {
		return p, false
	}
	p, ok = parsePrefix(value)
	return p, ok && !strings.Contains(value, "%") && p.Addr().Is4() == (mechanism == "ip4") && !p.Addr().Is4In6()
}
