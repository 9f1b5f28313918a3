package greylist

import (
	"net/netip"

	"greyglass/greylist/address"
)

// Client is the client of the MTA. The zero value is one whose address is unknown.
type Client struct {
	addr  netip.Addr // invalid if there is none
	local bool
	raw   string // for the log if addr is invalid

	identity string // of a client that is known by it alone, see [ParseIdentity]
}

// LocalClient is a client without a network address: a unix socket, or mail
// submitted on the MTA's own machine. name is for the log.
func LocalClient(name string) Client { return Client{local: true, raw: address.Printable(name)} }

// NetworkClient is a client at an address. An IPv4-mapped IPv6 address counts
// as the IPv4 address (RFC 4291, section 2.5.5.2); a zone is dropped.
func NetworkClient(addr netip.Addr) Client { return Client{addr: addr.Unmap().WithZone("")} }

// ParseClient reads a client's address as MTAs write it: IPv4, or IPv6 with or
// without brackets and the tag "IPv6:" (RFC 5321, section 4.1.3). From text
// that is no address it makes a client that matches no list and cannot be
// greylisted.
func ParseClient(s string) Client {
	addr, err := address.ParseIP(s)
	if err != nil {
		return Client{raw: address.Printable(s)}
	}
	return NetworkClient(addr)
}

// Addr returns the client's address, and whether it has one.
func (c Client) Addr() (netip.Addr, bool) { return c.addr, c.addr.IsValid() }

// Local reports whether the client has no network address at all.
func (c Client) Local() bool { return c.local }

// Identity is the identity, such as spf:example.net, of a client of which nothing else is
// known. MTAs have no such clients: administrators write them.
func (c Client) Identity() string { return c.identity }

// String is the full address, or what was said in its place.
func (c Client) String() string {
	switch {
	case c.addr.IsValid():
		return c.addr.String()
	case c.identity != "":
		return c.identity
	}
	return c.raw
}
