package greylist

import "testing"

func TestTriplet(t *testing.T) {
	whole := Identity{IPv4: 32, IPv6: 128}
	network := Identity{IPv4: 24, IPv6: 48}
	for _, c := range []struct {
		name     string
		identity Identity
		client   string
		sender   string
		rcpt     string
		want     string
	}{
		{"IPv4", DefaultIdentity, "192.0.2.7", "a@example.com", "b@example.org", "192.0.2.7 a@example.com b@example.org"},
		{"IPv6", DefaultIdentity, "2001:db8:1:2:3:4:5:6", "a@example.com", "b@example.org", "2001:db8:1:2::/64 a@example.com b@example.org"},
		{"mapped", DefaultIdentity, "::ffff:192.0.2.7", "a@example.com", "b@example.org", "192.0.2.7 a@example.com b@example.org"},
		{"whole IPv6", whole, "2001:db8:1:2:3:4:5:6", "a@example.com", "b@example.org", "2001:db8:1:2:3:4:5:6 a@example.com b@example.org"},
		{"network of IPv4", network, "192.0.2.7", "a@example.com", "b@example.org", "192.0.2.0/24 a@example.com b@example.org"},
		{"network of IPv6", network, "2001:db8:1:2::7", "a@example.com", "b@example.org", "2001:db8:1::/48 a@example.com b@example.org"},
		{"mapped, network", network, "::ffff:192.0.2.7", "a@example.com", "b@example.org", "192.0.2.0/24 a@example.com b@example.org"},
		{"addresses folded", DefaultIdentity, "192.0.2.7", "<A@Example.com>", `<"B"@Example.org>`, "192.0.2.7 a@example.com b@example.org"},
		{"null sender", DefaultIdentity, "192.0.2.7", "", "b@example.org", "192.0.2.7 <> b@example.org"},
		{"no domain", DefaultIdentity, "192.0.2.7", "<>", "Postmaster", "192.0.2.7 <> postmaster"},
		{"identity out of range", Identity{IPv4: 99, IPv6: -1}, "192.0.2.7", "<>", "postmaster", "192.0.2.7 <> postmaster"},
		{"identity out of range", Identity{IPv4: 99, IPv6: -1}, "2001:db8::7", "<>", "postmaster", "2001:db8::7 <> postmaster"},
	} {
		got, err := c.identity.Triplet(ParseClient(c.client), c.sender, c.rcpt)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
			continue
		}
		// What is shown can be written again, and so can the full address.
		for _, client := range []string{got.Client, c.client, "[" + c.client + "]"} {
			if again, err := c.identity.ParseTriplet(client, got.Sender, got.Recipient); err != nil || again != got {
				t.Errorf("%s: written with client %s it is %q, %v; want %q", c.name, client, again, err, got)
			}
		}
	}
}

func TestNoTriplet(t *testing.T) {
	for _, client := range []Client{ParseClient("unknown"), LocalClient("local"), {}} {
		if got, err := DefaultIdentity.Triplet(client, "a@example.com", "b@example.org"); err != ErrNoAddress || got != (Triplet{}) {
			t.Errorf("%q: got %q, %v", client, got, err)
		}
	}
}

func TestParseTripletOfNoClient(t *testing.T) {
	got, err := DefaultIdentity.ParseTriplet("mail.example.org", "a@example.com", "b@example.org")
	if err == nil || got != (Triplet{}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestParseClientKey(t *testing.T) {
	network := Identity{IPv4: 24, IPv6: 56}
	for _, c := range []struct {
		identity Identity
		in, want string
	}{
		{DefaultIdentity, "192.0.2.7", "192.0.2.7"},
		{DefaultIdentity, "192.0.2.7/32", "192.0.2.7"},
		{DefaultIdentity, "2001:db8::7", "2001:db8::/64"},
		{DefaultIdentity, "2001:db8::/64", "2001:db8::/64"},
		{DefaultIdentity, "2001:DB8::7/64", "2001:db8::/64"},
		{network, "192.0.2.7", "192.0.2.0/24"},
		{network, "192.0.2.7/24", "192.0.2.0/24"},
		{network, "2001:db8:0:1ff::7", "2001:db8:0:100::/56"},

		{DefaultIdentity, "spf:example.net", "spf:example.net"},
		{DefaultIdentity, "SPF:Example.Net.", "spf:example.net"},
		{DefaultIdentity, "name:bücher.example", "name:xn--bcher-kva.example"},
		{DefaultIdentity, "name:example.co.uk", "name:example.co.uk"},
		{DefaultIdentity, "spf:_spf.example.net", `"spf:_spf.example.net" has a name below a registered domain; write spf:example.net`},
		{DefaultIdentity, "spf:", `"spf:" has no registered domain, such as example.net`},
		{DefaultIdentity, "name:192.0.2.7", `"name:192.0.2.7" has no registered domain, such as example.net`},
		{DefaultIdentity, "spf:co.uk", `"spf:co.uk" has no registered domain, such as example.net`},

		{DefaultIdentity, "", `"" is not an IP address`},
		{DefaultIdentity, "mail.example.org", `"mail.example.org" is not an IP address`},
		{DefaultIdentity, "192.0.2", `"192.0.2" is not an IP address`},
		{DefaultIdentity, "192.0.2.7/", `"192.0.2.7/" is not an address prefix`},
		{DefaultIdentity, "192.0.2.7/33", `"192.0.2.7/33" is not an address prefix`},
		{DefaultIdentity, "192.0.2.0/24", `"192.0.2.0/24" has a prefix of 24 bits, but clients are stored by 32`},
		{DefaultIdentity, "2001:db8::/48", `"2001:db8::/48" has a prefix of 48 bits, but clients are stored by 64`},
		{network, "192.0.2.7/32", `"192.0.2.7/32" has a prefix of 32 bits, but clients are stored by 24`},
	} {
		got, err := c.identity.ParseClientKey(c.in)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q: got %s, want %s", c.in, got, c.want)
		}
	}
}
