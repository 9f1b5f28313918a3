package address

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParsePrefix(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		// A full address.
		{"204.15.20.1", "204.15.20.1/32"},
		{" 204.15.20.1\r\n", "204.15.20.1/32"},
		{"[204.15.20.1]", "204.15.20.1/32"},
		{"2001:db8::25", "2001:db8::25/128"},
		{"2001:DB8:0:0:0:0:0:25", "2001:db8::25/128"},
		{"[2001:db8::25]", "2001:db8::25/128"},
		{"[IPv6:2001:db8::25]", "2001:db8::25/128"},
		{"fe80::1%eth0", "fe80::1/128"},
		{"::ffff:204.15.20.1", "204.15.20.1/32"},

		// A network.
		{"192.0.2.0/24", "192.0.2.0/24"},
		{"192.0.2.77/24", "192.0.2.0/24"},
		{"192.0.2.7/32", "192.0.2.7/32"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"2001:db8::/32", "2001:db8::/32"},
		{"2001:db8::25/64", "2001:db8::/64"},
		{"::/0", "::/0"},
		{"::ffff:192.0.2.77/120", "192.0.2.0/24"},
		{"::ffff:0:0/96", "0.0.0.0/0"},

		// Leading octets.
		{"204.15.20", "204.15.20.0/24"},
		{"204.15.20.", "204.15.20.0/24"},
		{"204.15", "204.15.0.0/16"},
		{"10", "10.0.0.0/8"},
		{"10.", "10.0.0.0/8"},
		{"0", "0.0.0.0/8"},
		{"255.255.255", "255.255.255.0/24"},
	} {
		got, err := ParsePrefix(c.in)
		if err != nil || got.String() != c.want {
			t.Errorf("%q: got %v, %v; want %s", c.in, got, err, c.want)
		}
	}
}

func TestBadPrefix(t *testing.T) {
	const hint = "is not an address prefix; write an address, a network such as 192.0.2.0/24 or 2001:db8::/32, or leading octets such as 192.0.2"
	for in, want := range map[string]string{
		"":                    `"" ` + hint,
		" ":                   `"" ` + hint,
		".":                   `"." ` + hint,
		"mail.example.org":    `"mail.example.org" ` + hint,
		"192.0.2.7.":          `"192.0.2.7." ` + hint,
		"192..2":              `"192..2" ` + hint,
		".192.0.2":            `".192.0.2" ` + hint,
		"192.0.2..":           `"192.0.2.." ` + hint,
		"192.0.2.7.8":         `"192.0.2.7.8" ` + hint,
		"192.0.256":           `"192.0.256" ` + hint,
		"192.0.2.256":         `"192.0.2.256" ` + hint,
		"192.0.02":            `"192.0.02" ` + hint, // octal or not?
		"192.0.2.07":          `"192.0.2.07" ` + hint,
		"+10":                 `"+10" ` + hint,
		"-10":                 `"-10" ` + hint,
		"1_0":                 `"1_0" ` + hint,
		"0x10":                `"0x10" ` + hint,
		"192.0.2/24":          `"192.0.2/24" ` + hint,
		"192.0.2.0/":          `"192.0.2.0/" ` + hint,
		"192.0.2.0/33":        `"192.0.2.0/33" ` + hint,
		"192.0.2.0/-1":        `"192.0.2.0/-1" ` + hint,
		"192.0.2.0/255.0.0.0": `"192.0.2.0/255.0.0.0" ` + hint,
		"2001:db8::/129":      `"2001:db8::/129" ` + hint,
		"2001:db8":            `"2001:db8" ` + hint,
		"192.0.2.1-192.0.2.9": `"192.0.2.1-192.0.2.9" ` + hint,
		"192.0.2.*":           `"192.0.2.*" ` + hint,
		"*":                   `"*" ` + hint,
		"::ffff:0:0/90":       `"::ffff:0:0/90" reaches beyond the IPv4-mapped addresses; write an IPv4 network, such as 192.0.2.0/24`,
	} {
		got, err := ParsePrefix(in)
		if err == nil {
			t.Errorf("%q is taken for %s", in, got)
		} else if err.Error() != want {
			t.Errorf("%q:\n got %s\nwant %s", in, err, want)
		}
	}
}

// TestOctetsAreWhole: leading octets are numbers, not text.
func TestOctetsAreWhole(t *testing.T) {
	for _, c := range []struct {
		prefix, address string
		want            bool
	}{
		{"204.15.20", "204.15.20.0", true},
		{"204.15.20", "204.15.20.255", true},
		{"204.15.20", "204.15.200.1", false},
		{"204.15.20", "204.15.2.0", false},
		{"204.15.20", "204.15.21.0", false},
		{"20", "200.1.1.1", false},
		{"20", "20.200.1.1", true},
	} {
		p, err := ParsePrefix(c.prefix)
		if got := p.Contains(netip.MustParseAddr(c.address)); err != nil || got != c.want {
			t.Errorf("%s matches %s: %v, %v; want %v", c.prefix, c.address, got, err, c.want)
		}
	}
}

func TestParseAddress(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"192.0.2.7", "192.0.2.7"},
		{" [IPv6:2001:DB8::1] ", "2001:db8::1"},
		{"::ffff:192.0.2.7", "192.0.2.7"},
		{"192.0.2", `"192.0.2" is not an IP address; write a full IPv4 or IPv6 address`},
		{"192.0.2.0/24", `"192.0.2.0/24" is not an IP address; write a full IPv4 or IPv6 address`},
		{"mail.example.org", `"mail.example.org" is not an IP address; write a full IPv4 or IPv6 address`},
		{"", `"" is not an IP address; write a full IPv4 or IPv6 address`},
	} {
		addr, err := ParseAddress(c.in)
		got := addr.String()
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

func FuzzParsePrefix(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePrefix(s)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") || !strings.HasPrefix(err.Error(), `"`) {
				t.Errorf("%q: the error is not one line that begins with the value: %q", s, err)
			}
			return
		}
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() || p.Addr().Zone() != "" {
			t.Errorf("%q: %#v is not in the form in which prefixes are compared", s, p)
		}
		if again, err := ParsePrefix(p.String()); err != nil || again != p {
			t.Errorf("%q is %s, but that is %s, %v", s, p, again, err)
		}
		if addr, err := ParseAddress(s); err == nil && (p.Addr() != addr || !p.IsSingleIP()) {
			t.Errorf("%q is the address %s and the prefix %s", s, addr, p)
		}
	})
}
