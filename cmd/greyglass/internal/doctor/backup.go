package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"greyglass/cmd/greyglass/internal/lookup"
	"greyglass/greylist/address"
)

// mostDomains is how many of rules.allowed_domains are looked up in DNS. The MX hosts of a
// site's domains are usually the same.
const mostDomains = 20

// checkBackup looks for the site's own backup MXs: hosts with less preference than this
// machine in the MX records of rules.allowed_domains (RFC 5321, section 5.1). What they
// relay has waited already, and its client is theirs.
func checkBackup(ctx context.Context, v *exam) {
	domains := v.ownDomains()
	if len(domains) == 0 {
		v.ok("not checked: rules.allowed_domains names no domain")
		return
	}
	resolver := v.resolver()
	var backups []backup
	for _, domain := range domains {
		found, err := v.backupsOf(ctx, resolver, domain)
		if err != nil {
			v.warn("see whether DNS has the MX records of "+domain, "not checked, because the MX hosts of %s cannot be found: %v", domain, err)
			return
		}
		backups = append(backups, found...)
	}
	var addrs, missing, relays []string
	known := true // which MX host this machine is
	for _, b := range backups {
		for _, addr := range b.addrs {
			if slices.Contains(addrs, addr.String()) {
				continue
			}
			addrs = append(addrs, addr.String())
			if !v.accepts(netip.PrefixFrom(addr, addr.BitLen())) {
				missing = append(missing, addr.String())
				known = known && b.behind
				relays = append(relays, fmt.Sprintf("%s (%s, for %s)", b.host, addr, b.domain))
			}
		}
	}
	switch {
	case len(missing) > 0 && !known:
		v.warn(v.allowing(missing), "none of the MX hosts is this machine, by address or name; mail that they relay to it would be greylisted: %s", strings.Join(relays, ", "))
	case len(missing) > 0:
		v.warn(v.allowing(missing)+"; and greylist there", "mail that a backup MX relays to this machine would be greylisted, although it has waited there: %s", strings.Join(relays, ", "))
	case len(addrs) > 0:
		v.ok("mail of %s is accepted", strings.Join(addrs, ", "))
	default:
		v.ok("there is none, by the MX records of %s", strings.Join(domains, ", "))
	}
}

// ownDomains returns the first domains of rules.allowed_domains, without patterns.
func (v *exam) ownDomains() (domains []string) {
	for _, entry := range v.config.Rules.AllowedDomains {
		if domain := address.Domain(strings.TrimPrefix(strings.TrimSpace(entry), "@")); !strings.Contains(domain, "*") && len(domains) < mostDomains {
			domains = append(domains, domain)
		}
	}
	return domains
}

// resolver asks dns.servers, or the system's.
func (v *exam) resolver() *net.Resolver {
	servers := v.config.DNS.Servers
	if len(servers) == 0 {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		server, err := lookup.ParseServer(servers[0])
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
}

// backup is a host that takes mail for a domain when this machine does not.
type backup struct {
	host, domain string
	addrs        []netip.Addr
	behind       bool // this machine, which is an MX host too
}

// backupsOf returns the MX hosts of a domain with less preference than this machine; if
// none is this machine, all of them relay its mail.
func (v *exam) backupsOf(ctx context.Context, r *net.Resolver, domain string) (backups []backup, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*v.config.DNS.Timeout)
	defer cancel()
	records, err := r.LookupMX(ctx, domain+".")
	if missing := new(net.DNSError); errors.As(err, &missing) && missing.IsNotFound {
		return nil, nil // its mail goes to its own address
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(records, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	preference := -1 // of this machine
	for _, mx := range records {
		if mx.Host == "." { // it takes no mail (RFC 7505)
			continue
		}
		addrs, err := r.LookupNetIP(ctx, "ip", mx.Host)
		if err != nil {
			continue // it relays nothing
		}
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		slices.SortFunc(addrs, netip.Addr.Compare)
		host := strings.TrimSuffix(mx.Host, ".")
		switch {
		case v.isThisMachine(host, addrs):
			if preference < 0 {
				preference, backups = int(mx.Pref), nil // those before it do not relay to it
			}
		case preference < 0 || int(mx.Pref) > preference:
			backups = append(backups, backup{host: host, domain: domain, addrs: addrs})
		}
	}
	for i := range backups {
		backups[i].behind = preference >= 0
	}
	return backups, nil
}

// isThisMachine reports whether a host is this machine, by its address, or by its name
// where the address is translated.
func (v *exam) isThisMachine(host string, addrs []netip.Addr) bool {
	name := strings.ToLower(v.Machine.Name)
	if host = strings.ToLower(host); name != "" && (host == name || strings.HasPrefix(host, name+".")) {
		return true
	}
	own := v.Machine.Addresses()
	return slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.IsLoopback() || slices.Contains(own, a) })
}
