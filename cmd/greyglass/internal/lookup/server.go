package lookup

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"greyglass/cmd/greyglass/internal/fingerprint"
	"greyglass/greylist/problem"
)

const dnsPort = 53

// ParseServer reads the address of a DNS server: an IP address with or without a port.
// The error is a [*problem.Error].
func ParseServer(s string) (string, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(addr, dnsPort).String(), nil
	}
	if addr, err := netip.ParseAddrPort(s); err == nil && addr.Port() != 0 {
		return addr.String(), nil
	}
	return "", problem.Of(s, "write an IP address such as 192.0.2.53, with a port 192.0.2.53:5353 or [2001:db8::53]:5353", "is not the address of a DNS server")
}

const resolvConf = "/etc/resolv.conf"

// rereadAfter is how often resolv.conf is checked for a change.
const rereadAfter = 5 * time.Second

// systemServers are the name servers of a resolv.conf(5), which is reread when it has
// changed.
type systemServers struct {
	file string
	now  func() time.Time

	mu      sync.Mutex
	looked  time.Time               // when the file was last checked
	seen    fingerprint.Fingerprint // of the file then
	servers []string
}

// list returns the servers; if the file has none or cannot be read, this machine's own,
// as resolv.conf(5) says.
func (s *systemServers) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.servers != nil && now.Sub(s.looked).Abs() < rereadAfter {
		return s.servers
	}
	s.looked = now
	seen := fingerprint.Of(s.file)
	if s.servers != nil && seen == s.seen {
		return s.servers
	}
	s.seen, s.servers = seen, nil
	if c, err := dns.ClientConfigFromFile(s.file); err == nil {
		for _, spelled := range c.Servers {
			if server, err := ParseServer(spelled); err == nil {
				s.servers = append(s.servers, server)
			}
		}
	}
	if s.servers == nil {
		s.servers = []string{"127.0.0.1:53"}
	}
	return s.servers
}

// Servers returns the present servers, each with its port.
func (r *Resolver) Servers() []string { return r.servers() }

// Answers asks the servers for a name that exists, and returns the error.
func (r *Resolver) Answers(ctx context.Context) error {
	if a := r.ask(ctx, "example.org", dns.TypeTXT); a.err != nil && !isNotFound(a.err) {
		return a.err
	}
	return nil
}
