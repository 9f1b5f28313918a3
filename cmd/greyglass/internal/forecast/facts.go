package forecast

import (
	"context"
	"net/netip"

	"greyglass/greylist/address"
	"greyglass/greylist/rules"
)

// facts estimates for one trial what the log does not tell of the mail that is being
// judged, or looks it up. It implements [rules.Lookup].
type facts struct {
	of     *mail
	lookup rules.Lookup
	dns    bool // ask lookup for all; else it makes no queries
}

// SPF implements [rules.Lookup]. Without DNS, SPF passes if the client's confirmed name and
// the sender are of one domain, which hardly ever forgets its own servers in its record; of
// others it says nothing.
func (f *facts) SPF(ctx context.Context, client netip.Addr, helo, sender string) rules.SPF {
	if f.dns {
		return f.lookup.SPF(ctx, client, helo, sender)
	}
	_, domain, ok := address.Cut(sender)
	if !ok {
		domain = helo
	}
	if own := address.RegisteredDomain(f.of.ClientName); own != "" && own == address.RegisteredDomain(domain) {
		return rules.SPF{Result: rules.SPFPass, Provider: own, Why: "estimated by the client's name"}
	}
	return rules.SPF{Result: rules.SPFNone, Why: "not looked up"}
}

// Listed implements [rules.Lookup]. Without DNS, no list has the client.
func (f *facts) Listed(ctx context.Context, client netip.Addr, zones ...string) rules.Listing {
	if f.dns {
		return f.lookup.Listed(ctx, client, zones...)
	}
	return rules.Listing{Status: rules.NotInList, Why: "not looked up"}
}

// Dynamic implements [rules.Lookup].
func (f *facts) Dynamic(string, netip.Addr) bool { return f.of.dynamic }
