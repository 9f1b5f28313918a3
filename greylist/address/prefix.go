package address

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"greyglass/greylist/problem"
)

// ParsePrefix reads an address prefix of a list: a full address, a CIDR (RFC
// 4632), or whole leading octets, so that 204.15.20 is 204.15.20.0/24 and never
// matches 204.15.200.1. IPv4-mapped IPv6 counts as IPv4. Bits of a CIDR beyond
// its length are ignored.
func ParsePrefix(s string) (netip.Prefix, error) {
	s = strings.TrimSpace(s)
	if p, ok := parseOctets(s); ok {
		return p, nil
	}
	if !strings.Contains(s, "/") {
		addr, err := ParseIP(s)
		if err != nil {
			return netip.Prefix{}, notPrefix(s)
		}
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, notPrefix(s)
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, problem.Of(s, "write an IPv4 network, such as 192.0.2.0/24", "reaches beyond the IPv4-mapped addresses")
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

func notPrefix(s string) error {
	return problem.Of(s, "write an address, a network such as 192.0.2.0/24 or 2001:db8::/32, or leading octets such as 192.0.2", "is not an address prefix")
}

// parseOctets reads one to three leading octets, with or without a dot at the end.
func parseOctets(s string) (netip.Prefix, bool) {
	octets := strings.Split(strings.TrimSuffix(s, "."), ".")
	if len(octets) > 3 {
		return netip.Prefix{}, false
	}
	var a [4]byte
	for i, o := range octets {
		n, err := strconv.ParseUint(o, 10, 8)
		if err != nil || len(o) > 1 && o[0] == '0' {
			return netip.Prefix{}, false
		}
		a[i] = byte(n)
	}
	return netip.PrefixFrom(netip.AddrFrom4(a), 8*len(octets)), true
}

// ParseIP reads an address as MTAs write it: IPv4, or IPv6 with or without
// brackets and the tag "IPv6:" (RFC 5321, section 4.1.3). An IPv4-mapped IPv6
// address counts as the IPv4 address (RFC 4291, section 2.5.5.2); a zone is dropped.
func ParseIP(s string) (netip.Addr, error) {
	t := strings.TrimSpace(s)
	if len(t) >= 2 && t[0] == '[' && t[len(t)-1] == ']' {
		t = t[1 : len(t)-1]
	}
	if len(t) > 5 && strings.EqualFold(t[:5], "IPv6:") {
		t = t[5:]
	}
	addr, err := netip.ParseAddr(t)
	if err != nil {
		return addr, fmt.Errorf("%q is not an IP address", s)
	}
	return addr.Unmap().WithZone(""), nil
}

// ParseAddress reads a full address of a list.
func ParseAddress(s string) (netip.Addr, error) {
	addr, err := ParseIP(s)
	if err != nil {
		return addr, problem.Of(s, "write a full IPv4 or IPv6 address", "is not an IP address")
	}
	return addr, nil
}
