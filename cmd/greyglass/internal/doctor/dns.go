package doctor

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"greyglass/cmd/greyglass/internal/lookup"
	"greyglass/greylist/rules"
)

// checkDNS checks whether DNS answers what rules ask.
func checkDNS(ctx context.Context, v *exam) {
	resolver, err := lookup.New(v.config.DNS.Options())
	if err != nil {
		v.wrong("correct dns.servers", "%v", err)
		return
	}
	zones, asks := v.config.AsksDNS()
	if !asks && len(zones) == 0 {
		v.ok("not used: no rule or identity needs it")
		return
	}
	v.checkFirewall(ctx, resolver.Servers())
	if !v.checkServers(ctx, resolver.Servers()) {
		return
	}
	for _, zone := range zones {
		v.checkZone(ctx, resolver, zone)
	}
}

// checkServers asks each server by itself, and returns whether any answers.
func (v *exam) checkServers(ctx context.Context, servers []string) (answered bool) {
	type silence struct {
		server string
		err    error
	}
	var silent []silence
	for _, server := range servers {
		options := v.config.DNS.Options()
		options.Servers = []string{server}
		resolver, err := lookup.New(options)
		if err == nil {
			start := time.Now()
			if err = resolver.Answers(ctx); err == nil {
				v.ok("%s answers in %v", server, time.Since(start).Round(time.Millisecond))
				answered = true
				continue
			}
		}
		silent = append(silent, silence{server, err})
	}
	for _, s := range silent {
		fix := "see whether it runs and lets this machine ask it ('dig @HOST example.org'), or name another in dns.servers"
		if answered {
			v.warn(fix, "%s does not answer: %v", s.server, s.err)
		} else {
			v.wrong(fix, "%s does not answer within dns.timeout (%v): %v", s.server, v.config.DNS.Timeout, s.err)
		}
	}
	return answered
}

// Every list has the first address and never the second (RFC 5782, section 5).
var (
	inEveryList = netip.MustParseAddr("127.0.0.2")
	inNoList    = netip.MustParseAddr("127.0.0.1")
)

// checkZone checks whether a zone answers as a DNS list should.
func (v *exam) checkZone(ctx context.Context, r *lookup.Resolver, zone string) {
	right, wrong := r.Listed(ctx, inEveryList, zone), r.Listed(ctx, inNoList, zone)
	switch {
	case wrong.Status == rules.InList:
		v.wrong("remove it: its rules would match every client", "%s lists every address: also %v (%s)", zone, inNoList, wrong.Why)
	case right.Status == rules.InList && wrong.Status == rules.NotInList:
		v.ok("%s answers as a list should", zone)
	case right.Status == rules.NotInList:
		v.wrong("see whether the name is right and the list still exists", "%s is no list, or an empty one: it does not have %v, which every list has", zone, inEveryList)
	default:
		why := right.Why
		if right.Status != rules.Unknown {
			why = wrong.Why
		}
		v.wrong("ask it by a resolver of your own (dns.servers), because lists refuse those of large providers, and read the list's terms of use", "%s cannot be asked: %s", zone, why)
	}
}

// checkFirewall checks whether systemd lets the daemon reach the servers. This program
// runs outside of the unit.
func (v *exam) checkFirewall(ctx context.Context, servers []string) {
	shown, err := v.Machine.Run(ctx, "systemctl", "show", "greyglass.service", "--property=IPAddressAllow", "--property=IPAddressDeny")
	if err != nil {
		return // no systemd, no firewall of it
	}
	var allow, deny []netip.Prefix
	for line := range strings.Lines(shown) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "IPAddressAllow":
			allow = parsePrefixes(value)
		case "IPAddressDeny":
			deny = parsePrefixes(value)
		}
	}
	for _, server := range servers {
		at, err := netip.ParseAddrPort(server)
		if err != nil {
			continue
		}
		if addr := at.Addr().Unmap(); contains(deny, addr) && !contains(allow, addr) {
			v.wrong("run a resolver on this machine; or 'systemctl edit greyglass', write IPAddressAllow="+addr.String()+" below [Service], and 'systemctl restart greyglass'",
				"the daemon cannot reach %s: its unit has IPAddressDeny", server)
		}
	}
}

// parsePrefixes reads a list of networks as 'systemctl show' prints it.
func parsePrefixes(s string) (prefixes []netip.Prefix) {
	for field := range strings.FieldsSeq(s) {
		if p, err := netip.ParsePrefix(field); err == nil {
			prefixes = append(prefixes, p)
		}
	}
	return prefixes
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}
