package greylist

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"greyglass/greylist/address"
)

// Triplet is the key of the greylist: a client, an envelope sender and an envelope
// recipient. [Identity.Triplet] makes it, with its fields in the form in which they
// are compared.
type Triplet struct {
	Client    string // the address cut to the configured prefix: "192.0.2.7", "2001:db8:1::/64"
	Sender    string // folded, see [address.Fold], and perhaps normalized; [address.NullSender] for bounces
	Recipient string // folded
}

func (t Triplet) String() string { return t.Client + " " + t.Sender + " " + t.Recipient }

// Identity says what of a client and of a sender makes two attempts the same.
type Identity struct {
	// How many leading bits of a client's address are its identity, 1 to 32 and 1 to 128.
	// Hosts of one IPv6 network change addresses at will, so a /64 counts as one.
	IPv4, IPv6 int

	Normalized bool // senders are, see [address.Normalize]
}

// DefaultIdentity is the whole IPv4 address and the IPv6 subnet (RFC 4291,
// section 2.5.1).
var DefaultIdentity = Identity{IPv4: 32, IPv6: 64}

// errNoAddress does not name the client: the log line does, or hides it.
var errNoAddress = errors.New("the client has no address that can be understood")

// Triplet returns the triplet of a client at an address; it fails for a client
// that has none.
func (id Identity) Triplet(c Client, sender, recipient string) (Triplet, error) {
	return id.FoldedTriplet(c, address.Fold(sender), address.Fold(recipient))
}

// FoldedTriplet is [Identity.Triplet] with addresses that are folded already.
func (id Identity) FoldedTriplet(c Client, sender, recipient string) (Triplet, error) {
	addr, ok := c.Addr()
	if !ok {
		return Triplet{}, errNoAddress
	}
	return Triplet{Client: id.client(addr), Sender: id.sender(sender), Recipient: recipient}, nil
}

// ParseTriplet reads a triplet as people write it: the client as an address, or cut
// to its prefix as `greyglass list` shows it.
func (id Identity) ParseTriplet(client, sender, recipient string) (Triplet, error) {
	key, err := id.ParseClientKey(client)
	if err != nil {
		return Triplet{}, err
	}
	return Triplet{Client: key, Sender: id.sender(address.Fold(sender)), Recipient: address.Fold(recipient)}, nil
}

// ParseClientKey reads the client of a triplet as people write it, and returns it as
// it is stored.
func (id Identity) ParseClientKey(s string) (string, error) {
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
			return "", fmt.Errorf("%q has a prefix of %d bits, but clients are remembered by %d", s, p.Bits(), want)
		}
	}
	return id.client(addr), nil
}

// sender is the identity of a folded sender.
func (id Identity) sender(folded string) string {
	if id.Normalized {
		return address.Normalize(folded)
	}
	return folded
}

func (id Identity) bits(addr netip.Addr) int {
	if addr.Is4() {
		return id.IPv4
	}
	return id.IPv6
}

func (id Identity) client(addr netip.Addr) string {
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
