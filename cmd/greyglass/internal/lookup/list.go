package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"greyglass/greylist/problem"
	"greyglass/greylist/rules"
)

// Listed asks all lists concurrently whether they have the client (RFC 5782), and returns
// the first listing. If there is none, and a list has failed, the status is
// rules.Unknown.
func (r *Resolver) Listed(ctx context.Context, client netip.Addr, zones ...string) rules.Listing {
	all := rules.Listing{Status: rules.NotInList}
	address := reversed(client.Unmap().WithZone(""))
	var unknown []string // the zones whose answers are not in the cache
	for _, zone := range zones {
		a, ok := r.cached(address+zone, dns.TypeA)
		if !ok {
			unknown = append(unknown, zone)
		} else if all = either(all, listing(zone, a)); all.Status == rules.InList {
			return all
		}
	}
	if unknown == nil {
		return all
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	answers := make(chan rules.Listing, len(unknown))
	for _, zone := range unknown {
		go func() { answers <- listing(zone, r.ask(ctx, address+zone, dns.TypeA)) }()
	}
	for range unknown {
		if all = either(all, <-answers); all.Status == rules.InList {
			return all
		}
	}
	return all
}

// either combines the listings of two lists.
func either(a, b rules.Listing) rules.Listing {
	if b.Status == rules.InList || b.Status == rules.Unknown && a.Status == rules.NotInList {
		return b
	}
	return a
}

// listing interprets the answer of a list.
func listing(zone string, a answer) rules.Listing {
	if isNotFound(a.err) {
		return rules.Listing{Status: rules.NotInList}
	}
	if a.err != nil {
		return rules.Listing{Status: rules.Unknown, Zone: zone, Why: a.err.Error()}
	}
	codes, err := listCodes(a.addrs)
	if err != nil {
		return rules.Listing{Status: rules.Unknown, Zone: zone, Why: err.Error()}
	}
	return rules.Listing{Status: rules.InList, Zone: zone, Why: codes}
}

// refusals are answers by which lists refuse resolvers that ask too often, or for too
// many users.
var refusals = []netip.Prefix{netip.MustParsePrefix("127.0.0.255/32"), netip.MustParsePrefix("127.255.255.0/24")}

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// listCodes reads the addresses in the answer of a list. One outside of 127.0.0.0/8
// comes from a name server that answers every query, or from a new owner of the zone.
func listCodes(addrs []netip.Addr) (string, error) {
	var codes []string
	for _, addr := range addrs {
		if !loopback.Contains(addr) {
			return "", fmt.Errorf("answers %v, which is no answer of a list", addr)
		}
		for _, refusal := range refusals {
			if refusal.Contains(addr) {
				return "", fmt.Errorf("answers %v: the list refuses to answer this resolver", addr)
			}
		}
		codes = append(codes, addr.String())
	}
	if codes == nil {
		return "", errors.New("answers without an address")
	}
	return strings.Join(codes, " "), nil
}

// reversed writes the octets or nibbles of an address in reverse order, with a dot at
// the end.
func reversed(addr netip.Addr) string {
	name, _ := dns.ReverseAddr(addr.String())
	return strings.TrimSuffix(strings.TrimSuffix(name, "in-addr.arpa."), "ip6.arpa.")
}

// CheckZone checks the name of a list's zone. The error is a [*problem.Error].
func CheckZone(zone string) error {
	const fix = "write the name of a DNS list, such as zen.example.org"
	const longestAddress = 64 // of an IPv6 address before it, with its dots
	name, ok := canonicalName(zone)
	switch {
	case !ok || strings.ContainsAny(zone, ":/@[]*") || !strings.Contains(name, "."):
		return problem.Of(zone, fix, "is not the name of a zone")
	case len(name)+longestAddress > maxName:
		return problem.Of(zone, fix, "is too long for the name of a list")
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return problem.Of(zone, fix, "is an address and not the name of a zone")
	}
	return nil
}
