package forecast

import (
	"context"
	"net/netip"

	"greyglass/greylist/rules"
)

// facts estimates for one trial what the log does not tell of the mail that is being
// judged, or looks it up. It implements [rules.Lookup].
type facts struct {
	of     *mail
	lookup rules.Lookup
	dns    bool // ask lookup for all; else it makes no queries
}

// SPF implements [rules.Lookup].
func (f *facts) SPF(ctx context.Context, client netip.Addr, helo, sender string) rules.SPF {
	if f.dns {
		return f.lookup.SPF(ctx, client, helo, sender)
	}
	if f.of.ownServer {
		return rules.SPF{Result: rules.SPFPass, Provider: f.of.domain, Why: "estimated by the client's name"}
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
