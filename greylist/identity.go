package greylist

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"greyglass/greylist/address"
)

// Identity says what of a client and of a sender makes two attempts the same.
type Identity struct {
	// How many leading bits of a client's address are its identity, 1 to 32 and 1 to 128.
	// Hosts of one IPv6 network change addresses at will, so a /64 counts as one.
	IPv4, IPv6 int

	// Provider: a client is known by the provider for whose record SPF passes, or by its
	// confirmed name, before its address; see [rules.Facts.ClientIdentity].
	Provider bool

	Normalized bool // senders are, see [address.Normalize]
}

// DefaultIdentity is the whole IPv4 address and the IPv6 subnet (RFC 4291,
// section 2.5.1).
var DefaultIdentity = Identity{IPv4: 32, IPv6: 64}

// What the identities of clients begin with that are not addresses. The rest is a
// registered domain, see [address.RegisteredDomain].
const (
	BySPF  = "spf:"  // of the record by which SPF passes
	ByName = "name:" // of the forward-confirmed name
)

// ErrNoAddress does not name the client: the log line does, or hides it.
var ErrNoAddress = errors.New("the client has no address that can be understood")

// sender is the identity of a sender.
func (id Identity) sender(sender string) string {
	if id.Normalized {
		return address.Normalize(sender)
	}
	return address.Fold(sender)
}

// Network is the identity of a client by its address.
func (id Identity) Network(addr netip.Addr) string {
	bits := id.bits(addr)
	if bits == addr.BitLen() {
		return addr.String()
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return addr.String() // bits out of range: the whole address is the safe identity
	}
	return p.String()
}

func (id Identity) bits(addr netip.Addr) int {
	if addr.Is4() {
		return id.IPv4
	}
	return id.IPv6
}

// ParseClientKey reads the client of a triplet as people write it, and returns it as
// it is stored.
func (id Identity) ParseClientKey(s string) (string, error) {
	if c, ok, err := ParseIdentity(s); ok {
		return c.Identity(), err
	}
	text, _, isPrefix := strings.Cut(s, "/")
	addr, err := address.ParseIP(text)
	if err != nil {
		return "", err
	}
	if isPrefix {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return "", fmt.Errorf("%q is not an address prefix", s)
		}
		if want := id.bits(addr); p.Bits() != want {
			return "", fmt.Errorf("%q has a prefix of %d bits, but clients are stored by %d", s, p.Bits(), want)
		}
	}
	return id.Network(addr), nil
}

// ParseIdentity reads spf:DOMAIN or name:DOMAIN. ok is false if s is neither.
func ParseIdentity(s string) (c Client, ok bool, err error) {
	for _, by := range []string{BySPF, ByName} {
		if len(s) < len(by) || !strings.EqualFold(s[:len(by)], by) {
			continue
		}
		domain := address.Domain(s[len(by):])
		switch registered := address.RegisteredDomain(domain); registered {
		case "":
			return Client{}, true, fmt.Errorf("%q has no registered domain, such as example.net", s)
		case domain:
			return Client{identity: by + domain}, true, nil
		default:
			return Client{}, true, fmt.Errorf("%q has a name below a registered domain; write %s", s, by+registered)
		}
	}
	return Client{}, false, nil
}
