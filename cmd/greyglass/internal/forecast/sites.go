package forecast

import (
	"cmp"
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"

	"greyglass/cmd/greyglass/internal/report"
	"greyglass/greylist/address"
)

// MaxAddresses bounds the addresses of a site that are kept.
const MaxAddresses = 250

// site is where mail comes from: the registered domain of the client's confirmed name, or
// the network of a client that has none, or that of a home connection.
type site struct {
	name      string
	addresses []netip.Addr // different ones; of IPv6, of different networks of 64 bits
	messages  int64
	deferred  int64 // at the first attempt, under the present configuration

	// A message is repeated if its sender's domain has sent from here before; it moved if
	// that was from another address.
	repeated, moved int64
}

// pool reports whether the site is a pool of mail servers: a retry comes from any of them.
// The log shows no retries; but where mail of one sender comes now from this address and
// now from that, so do they. A hoster has many addresses, too, but each of its customers
// has his own.
func (s *site) pool() bool {
	return len(s.addresses) >= report.Pooled && s.moved >= report.Pooled && 2*s.moved >= s.repeated
}

// draw draws one of the site's addresses. The same number draws the same.
func (s *site) draw(number uint64) netip.Addr {
	return s.addresses[number*0x9e3779b97f4a7c15>>32%uint64(len(s.addresses))]
}

// sites are the sites of wanted mail.
type sites struct {
	byName map[string]*site
	seed   maphash.Seed
	last   map[uint64]uint32    // hash of the last address, by that of site and sender's domain
	lines  map[netip.Addr]int64 // clients without a mail server's name: the day of their first message
}

func newSites() *sites {
	return &sites{byName: make(map[string]*site), seed: maphash.MakeSeed(), last: make(map[uint64]uint32),
		lines: make(map[netip.Addr]int64)}
}

// of returns the site of a client.
func (all *sites) of(m *mail) *site {
	name := ""
	if !m.dynamic {
		name = m.domain
	}
	if name == "" {
		name = report.NetworkOf(m.ClientAddress.String())
	}
	s := all.byName[name]
	if s == nil {
		s = &site{name: address.Printable(name)}
		all.byName[strings.Clone(name)] = s
	}
	return s
}

// add counts a message of wanted mail.
func (all *sites) add(s *site, m *mail) {
	s.messages++
	addr := m.ClientAddress
	if addr.Is6() {
		addr = netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	if len(s.addresses) < MaxAddresses && !slices.Contains(s.addresses, addr) {
		s.addresses = append(s.addresses, addr)
	}
	_, domain, _ := address.Cut(m.Sender)
	domain = address.Domain(domain)
	sender := maphash.Comparable(all.seed, [2]string{s.name, cmp.Or(address.RegisteredDomain(domain), domain)})
	from := uint32(maphash.Comparable(all.seed, addr))
	if last, known := all.last[sender]; known {
		s.repeated++
		if last != from {
			s.moved++
		}
	}
	all.last[sender] = from
	if m.dynamic {
		first, known := all.lines[addr]
		if !known {
			all.lines[addr] = dayOf(m.Time)
		}
		m.returns = known && first < dayOf(m.Time)
	}
}
