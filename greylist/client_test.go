package greylist

import (
	"net/netip"
	"testing"
)

func TestParseClient(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"192.0.2.7", "192.0.2.7"},
		{"[192.0.2.7]", "192.0.2.7"},
		{" 192.0.2.7 ", "192.0.2.7"},
		{"2001:DB8::0:7", "2001:db8::7"},
		{"[2001:db8::7]", "2001:db8::7"},
		{"IPv6:2001:db8::7", "2001:db8::7"},
		{"[ipv6:2001:db8::7]", "2001:db8::7"},
		{"::ffff:192.0.2.7", "192.0.2.7"},
		{"IPv6:::ffff:c000:207", "192.0.2.7"},
		{"fe80::1%eth0", "fe80::1"},
		{"::1", "::1"},
	} {
		client := ParseClient(c.in)
		addr, ok := client.Addr()
		if !ok || client.Local() || client.String() != c.want || addr != netip.MustParseAddr(c.want) {
			t.Errorf("%q: %s, %v; want %s", c.in, client, ok, c.want)
		}
		if same := NetworkClient(addr); same != client {
			t.Errorf("%q: differs from the client at %s", c.in, addr)
		}
	}
}

// TestClientWithoutAddress: what is no address is shown, but is no client that
// a list could know.
func TestClientWithoutAddress(t *testing.T) {
	for in, shown := range map[string]string{
		"":                  "",
		"unknown":           "unknown",
		"192.0.2":           "192.0.2",
		"192.0.2.0/24":      "192.0.2.0/24",
		"192.0.2.7:25":      "192.0.2.7:25",
		"[192.0.2.7":        "[192.0.2.7",
		"IPv6:":             "IPv6:",
		"192.0.2.07":        "192.0.2.07",
		"evil\nmsg=dec\x1b": `evil\x0amsg=dec\x1b`,
		"caf\xe9":           `caf\xe9`,
	} {
		client := ParseClient(in)
		if addr, ok := client.Addr(); ok || client.Local() || client.String() != shown {
			t.Errorf("%q: shown as %q with address %v, local %v; want %q", in, client, addr, client.Local(), shown)
		}
	}
}

func TestNetworkClient(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7":        "192.0.2.7",
		"::ffff:192.0.2.7": "192.0.2.7",
		"fe80::1%eth0":     "fe80::1",
	} {
		if got := NetworkClient(netip.MustParseAddr(in)).String(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	if _, ok := NetworkClient(netip.Addr{}).Addr(); ok {
		t.Error("the zero address is taken for one")
	}
}

func TestLocalClient(t *testing.T) {
	client := LocalClient("local\n")
	if _, ok := client.Addr(); ok || !client.Local() || client.String() != `local\x0a` {
		t.Errorf("got %q, local %v, address %v", client, client.Local(), ok)
	}
}
