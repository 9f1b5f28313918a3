package config

import (
	"fmt"
	"slices"
	"time"

	"greyglass/cmd/greyglass/internal/lookup"
)

var dnsSection = Section{
	Name: "dns",
	Doc:  "How the daemon asks DNS. It does so only if a rule, `client_identity = \"provider\"` or `learn.outbound_requires_spf` needs it.",
	Options: []Option{
		{
			Key:     "dns.servers",
			Default: []string{},
			Kind:    list{checkServers, "IP addresses, each with a port such as `192.0.2.53:5353` or without"},
			Comment: "The DNS servers to ask, such as [\"127.0.0.1\"]; empty: those of\n/etc/resolv.conf.",
			Doc:     "The recursive DNS servers to ask, at most 8. Empty means those of `/etc/resolv.conf`; a change of that file takes effect. A resolver on this machine is best, because DNS lists often refuse to answer the servers of large providers, and because the systemd unit lets the daemon reach no other (`IPAddressDeny`).",
		}, {
			Key:     "dns.timeout",
			Default: 2 * time.Second,
			Kind:    duration{50 * time.Millisecond, 20 * time.Second, time.Millisecond},
			Comment: "How long all look-ups for one message may take together.",
			Doc:     "How long all look-ups for one message may take together. What is not known by then is unknown: rules that need it do not match, and SPF is `temperror`. It must stay below the time that the MTA waits for the daemon (30 s for Postfix).",
		}, {
			Key:     "dns.cache_entries",
			Default: 100_000,
			Kind:    number{100, 10_000_000},
			Comment: "How many answers are cached at most.",
			Doc:     fmt.Sprintf("How many answers are cached at most, including negative ones. They take at most %d octets each on average. The least recently used ones are dropped first.", lookup.OctetsPerEntry),
		}, {
			Key:     "dns.blocklists",
			Default: []string{},
			Kind:    list{each(lookup.CheckZone), "names of zones, such as `zen.spamhaus.org`"},
			Comment: "The DNS lists that dnsbl() asks, such as [\"zen.spamhaus.org\"].",
			Doc:     "The zones of the DNS lists that `dnsbl()` asks. Read their terms of use first. An answer of `127.0.0.255` or in `127.255.255.0/24` means that a list refuses to answer, and counts as unknown.",
		}, {
			Key:     "dns.allowlists",
			Default: []string{},
			Kind:    list{each(lookup.CheckZone), "names of zones, such as `list.dnswl.org`"},
			Comment: "The DNS lists that dnswl() asks, such as [\"list.dnswl.org\"].",
			Doc:     "The zones of the DNS lists that `dnswl()` asks; see `dns.blocklists`.",
		},
	},
}

// maxServers bounds the DNS servers.
const maxServers = 8

func checkServers(servers []string) []fault {
	faults := each(func(s string) error {
		_, err := lookup.ParseServer(s)
		return err
	})(servers)
	if len(servers) > maxServers {
		faults = append(faults, fault{maxServers, "one server too many", fmt.Sprintf("write at most %d", maxServers)})
	}
	return faults
}

// DNS configures how DNS is asked.
type DNS struct {
	Servers      []string      `koanf:"servers"` // see lookup.ParseServer; none: the system's
	Timeout      time.Duration `koanf:"timeout"` // of all look-ups for a message
	CacheEntries int           `koanf:"cache_entries"`
	Blocklists   []string      `koanf:"blocklists"` // zones
	Allowlists   []string      `koanf:"allowlists"`
}

// AsksDNS reports whether a rule, an identity or a reply needs DNS, and returns the zones of all lists that are
// configured or that rules name.
func (c *Config) AsksDNS() (zones []string, asks bool) {
	zones = slices.Concat(c.DNS.Blocklists, c.DNS.Allowlists)
	asks = c.Greylist.ClientIdentity == clientProvider || c.Learn.Outbound && c.Learn.OutboundSPF
	for i := range c.Rule {
		asks = asks || c.Rule[i].asksDNS || c.Rule[i].text("client_identity") == clientProvider
		zones = append(zones, c.Rule[i].zones...)
	}
	slices.Sort(zones)
	return slices.Compact(zones), asks
}

// Options returns the options of the resolver.
func (d DNS) Options() lookup.Options {
	return lookup.Options{Servers: d.Servers, Timeout: d.Timeout, CacheEntries: d.CacheEntries}
}
