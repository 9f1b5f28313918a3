package lookup

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"blitiri.com.ar/go/spf"
	"github.com/miekg/dns"

	"greyglass/greylist/rules"
	"greyglass/greylist/timeout"
)

// SPF implements rules.Lookup.
func (r *Resolver) SPF(ctx context.Context, client netip.Addr, helo, sender string) rules.SPF {
	local, domain := "postmaster", helo
	if at := strings.LastIndexByte(sender, '@'); at >= 0 {
		local, domain = sender[:at], sender[at+1:]
	}
	domain, ok := canonicalName(domain)
	if !ok || !strings.Contains(domain, ".") || strings.ContainsAny(domain, "[]:@/%") {
		return rules.SPF{Result: rules.SPFNone, Why: "not a domain that can have a record: " + printable(domain)}
	}
	client = client.Unmap().WithZone("")
	p := r.passing(domain)
	if found, passes := p.find(client); passes {
		return found
	}
	key := "SPF " + client.String() + " " + domain
	if known, ok := r.cache.get(key, r.now()); ok {
		return known.(rules.SPF)
	}
	limited := timeout.With(ctx, r.timeout)
	defer limited.End()
	c := &spfCheck{resolver: r, client: client, helo: helo, domain: domain,
		sender: strings.ReplaceAll(local, "@", "_") + "@" + domain, expires: r.now().Add(maxTTL)}
	if !p.whole {
		if found, passes := c.byAddress(limited); passes {
			return found
		}
	}
	found := c.run(limited)
	if found.Result != rules.SPFTempError && !c.usesMacros() {
		r.cache.put(key, found, len(found.Provider)+len(found.Why), c.expires)
	}
	return found
}

// spfCheck is one check. It is the resolver of the SPF library, and notes which records
// that asks for.
type spfCheck struct {
	resolver *Resolver
	client   netip.Addr
	helo     string
	domain   string // of the sender
	sender   string // with one "@" only, at which the library splits it

	records []record  // in the order in which they were asked for
	expires time.Time // when the first answer expires
}

// record is an SPF record and its name.
type record struct{ name, text string }

func (c *spfCheck) run(ctx context.Context) rules.SPF {
	result, err := c.evaluate(ctx, c.client, c)
	if result != spf.Pass && ctx.Err() != nil {
		return rules.SPF{Result: rules.SPFTempError, Why: "timed out"}
	}
	found := rules.SPF{Result: string(result), Why: "no mechanism, because none matched"}
	if result == spf.Pass {
		found.Provider, found.Why = c.provider(ctx)
		return found
	}
	if err != nil {
		found.Why = printable(strings.TrimPrefix(err.Error(), "matched "))
	}
	return found
}

func (c *spfCheck) evaluate(ctx context.Context, client netip.Addr, by spf.DNSResolver) (spf.Result, error) {
	return spf.CheckHostWithSender(client.AsSlice(), c.helo, c.sender, spf.WithContext(ctx), spf.WithResolver(by))
}

// usesMacros reports whether the result may depend on more than client and domain.
func (c *spfCheck) usesMacros() bool {
	for _, r := range c.records {
		if strings.Contains(r.text, "%") {
			return true
		}
	}
	return false
}

// ask asks the resolver, and notes when the answer expires.
func (c *spfCheck) ask(ctx context.Context, name string, qtype uint16) answer {
	a := c.resolver.ask(ctx, fitName(name), qtype)
	if a.expires.Before(c.expires) {
		c.expires = a.expires
	}
	return a
}

// fitName removes labels from the left of a name that macros have made too long
// (RFC 7208, section 7.3).
func fitName(name string) string {
	name = strings.TrimSuffix(name, ".")
	for len(name) > maxName {
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			break
		}
		name = rest
	}
	return name
}

// LookupTXT implements spf.DNSResolver.
func (c *spfCheck) LookupTXT(ctx context.Context, name string) ([]string, error) {
	a := c.ask(ctx, name, dns.TypeTXT)
	if len(a.texts) == 1 {
		name, _ = canonicalName(fitName(name))
		c.records = append(c.records, record{name, a.texts[0]})
	}
	return a.texts, a.err
}

// LookupMX implements spf.DNSResolver.
func (c *spfCheck) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	a := c.ask(ctx, name, dns.TypeMX)
	var servers []*net.MX
	for _, host := range a.texts {
		servers = append(servers, &net.MX{Host: host})
	}
	return servers, a.err
}

// LookupIPAddr implements spf.DNSResolver. It asks for addresses of the client's family
// (RFC 7208, section 5), and always for IPv4, which "exists" needs (section 5.7).
func (c *spfCheck) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	a := c.ask(ctx, host, dns.TypeA)
	if a.err != nil && !isNotFound(a.err) {
		return nil, a.err
	}
	found, err := a.addrs, a.err
	if c.client.Is6() {
		six := c.ask(ctx, host, dns.TypeAAAA)
		switch {
		case six.err == nil:
			found, err = append(six.addrs[:len(six.addrs):len(six.addrs)], found...), nil
		case !isNotFound(six.err):
			return nil, six.err
		}
	}
	var addrs []net.IPAddr
	for _, addr := range found {
		addrs = append(addrs, net.IPAddr{IP: addr.AsSlice()})
	}
	return addrs, err
}

// LookupAddr implements spf.DNSResolver.
func (c *spfCheck) LookupAddr(ctx context.Context, spelled string) ([]string, error) {
	name, err := dns.ReverseAddr(spelled)
	if err != nil {
		return nil, notFound(spelled)
	}
	a := c.ask(ctx, name, dns.TypePTR)
	return a.texts, a.err
}
