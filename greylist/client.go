package greylist

import (
	"fmt"
	"net/netip"
	"strings"
)

// Client is who is connected to the MTA. Its zero value is a client whose
// address nobody could read.
type Client struct {
	addr  netip.Addr // invalid if there is none
	local bool
	raw   string // for the log, if addr is invalid
}

// LocalClient is a client without a network address: a unix socket, or mail
// submitted on the MTA's own machine. name is for the log.
func LocalClient(name string) Client { return Client{local: true, raw: printable(name)} }

// NetworkClient is a client at an address. An IPv4-mapped IPv6 address counts
// as the IPv4 address (RFC 4291, section 2.5.5.2); a zone is dropped.
func NetworkClient(addr netip.Addr) Client { return Client{addr: addr.Unmap().WithZone("")} }

// ParseClient reads a client's address as MTAs write it: IPv4, or IPv6 with or
// without brackets and the tag "IPv6:" (RFC 5321, section 4.1.3). From text
// that is no address it makes a client that matches no list and cannot be
// greylisted.
func ParseClient(s string) Client {
	addr, err := parseAddr(s)
	if err != nil {
		return Client{raw: printable(s)}
	}
	return NetworkClient(addr)
}

func parseAddr(s string) (netip.Addr, error) {
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

// Addr returns the client's address, and whether it has one.
func (c Client) Addr() (netip.Addr, bool) { return c.addr, c.addr.IsValid() }

// Local reports whether the client has no network address at all.
func (c Client) Local() bool { return c.local }

// String is the full address, or what the MTA said in its place.
func (c Client) String() string {
	if c.addr.IsValid() {
		return c.addr.String()
	}
	return c.raw
}
