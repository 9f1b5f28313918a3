package lookup

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"greyglass/e2e/nameserver"
	"greyglass/greylist/rules"
)

const listZone = `
7.2.0.192.bl.example.net. A 127.0.0.2
7.2.0.192.bl.example.net. A 127.0.0.10
8.2.0.192.bl.example.net. A 127.255.255.254
8.2.0.192.wl.example.net. A 127.0.0.255
9.2.0.192.bl.example.net. A 192.0.2.80
10.2.0.192.bl.example.net. A 127.0.0.2
10.2.0.192.bl.example.net. A 127.255.255.255
11.2.0.192.bl.example.net. TXT "listed, but without an address"
12.2.0.192.wl.example.net. A 127.0.5.3
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example.net. A 127.0.0.3
`

func TestListed(t *testing.T) {
	s, r := serve(t, listZone)
	s.Behave("13.2.0.192.bl.example.net", nameserver.Code(dns.RcodeServerFailure))
	s.Behave("12.2.0.192.bl.example.net", nameserver.Code(dns.RcodeServerFailure))
	const bl, wl = "bl.example.net", "wl.example.net"
	for _, c := range []struct {
		client string
		zones  string
		want   rules.Listed
		zone   string
		why    string // a part of it
	}{
		{"192.0.2.7", bl, rules.InList, bl, "127.0.0.10"},
		{"192.0.2.1", bl, rules.NotInList, "", ""},
		{"::ffff:192.0.2.7", bl, rules.InList, bl, "127.0.0.2"},
		{"2001:db8::1", bl, rules.InList, bl, "127.0.0.3"},
		{"2001:db8::2", bl, rules.NotInList, "", ""},
		{"192.0.2.8", bl, rules.Unknown, bl, "127.255.255.254: the list refuses"},
		{"192.0.2.8", wl, rules.Unknown, wl, "127.0.0.255: the list refuses"},
		{"192.0.2.9", bl, rules.Unknown, bl, "192.0.2.80, which is no answer of a list"},
		{"192.0.2.10", bl, rules.Unknown, bl, "127.255.255.255"},
		{"192.0.2.11", bl, rules.NotInList, "", ""},
		{"192.0.2.12", wl, rules.InList, wl, "127.0.5.3"},
		{"192.0.2.13", bl, rules.Unknown, bl, "SERVFAIL"},
		{"192.0.2.7", wl + " " + bl, rules.InList, bl, "127.0.0.2"},
		{"192.0.2.1", wl + " " + bl, rules.NotInList, "", ""},
		{"192.0.2.13", wl + " " + bl, rules.Unknown, bl, "SERVFAIL"},
		{"192.0.2.12", bl + " " + wl, rules.InList, wl, ""}, // one that is known is enough
		{"192.0.2.7", "", rules.NotInList, "", ""},
	} {
		got := r.Listed(t.Context(), addr(c.client), strings.Fields(c.zones)...)
		if got.Status != c.want || got.Zone != c.zone || !strings.Contains(got.Why, c.why) {
			t.Errorf("%s in %q: %+v; want %s by %q, %q", c.client, c.zones, got, c.want, c.zone, c.why)
		}
	}
}

// All lists are asked at one time, and the first hit decides.
func TestListsAtOneTime(t *testing.T) {
	s, _ := serve(t, listZone)
	s.Behave("7.2.0.192.slow.example.net", nameserver.Silent)
	s.Behave("1.2.0.192.slow.example.net", nameserver.Silent)
	r := resolver(t, Options{Servers: []string{s.Address()}, Timeout: 500 * time.Millisecond})
	zones := []string{"slow.example.net", "slow.example.net", "bl.example.net", "wl.example.net"}
	if got := r.Listed(t.Context(), addr("192.0.2.7"), zones...); got.Status != rules.InList {
		t.Errorf("%+v", got)
	}
	start := time.Now()
	got := r.Listed(t.Context(), addr("192.0.2.1"), zones...)
	if took := time.Since(start); got.Status != rules.Unknown || took > 2*time.Second {
		t.Errorf("%+v after %v", got, took)
	}
}

func TestCheckZone(t *testing.T) {
	for zone, right := range map[string]bool{
		"zen.spamhaus.org":                   true,
		"list.dnswl.org.":                    true,
		"KEY.zen.dq.spamhaus.net":            true,
		"":                                   false,
		"org":                                false,
		"zen.spamhaus.org/":                  false,
		"https://zen.spamhaus.org":           false,
		"*.example.org":                      false,
		"192.0.2.1":                          false,
		"a b.example.org":                    false,
		"zen..org":                           false,
		strings.Repeat("abcdefg.", 25) + "c": false,
	} {
		err := CheckZone(zone)
		if (err == nil) != right || err != nil && !strings.Contains(err.Error(), "; write ") {
			t.Errorf("%q: %v", zone, err)
		}
	}
}
