package lookup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"greyglass/e2e/nameserver"
	"greyglass/greylist/rules"
)

const spfZone = `
; sends by its own servers
own.example.net.       TXT "v=spf1 ip4:192.0.2.0/24 a:out.own.example.net mx ptr -all"
own.example.net.       TXT "another text, which is no SPF record"
own.example.net.       MX  10 mx.own.example.net.
out.own.example.net.   A   198.51.100.1
mx.own.example.net.    A   198.51.100.2
mx.own.example.net.    AAAA 2001:db8::2
host.own.example.net.  A   198.51.100.3
3.100.51.198.in-addr.arpa. PTR host.own.example.net.

; as Google's and Microsoft's records are built
shop.example.org.      TXT "v=spf1 include:_spf.google.com include:spf.protection.outlook.com ~all"
_spf.google.com.       TXT "v=spf1 include:_netblocks.google.com include:_netblocks2.google.com ~all"
_netblocks.google.com. TXT "v=spf1 ip4:209.85.128.0/17 ip4:74.125.0.0/16 ~all"
_netblocks2.google.com. TXT "v=spf1 ip6:2001:4860:4000::/36 ip6:2a00:1450:4000::/36 ~all"
spf.protection.outlook.com. TXT "v=spf1 ip4:40.92.0.0/15 ip4:40.107.0.0/16 ip4:52.100.0.0/15 ip6:2a01:111:f400::/48 -all"
elsewhere.example.org. TXT "v=spf1 redirect=_spf.relay.example.co.uk"
_spf.relay.example.co.uk. TXT "v=spf1 include:a.relay.example.co.uk -all"
a.relay.example.co.uk. TXT "v=spf1 ip4:203.0.113.0/28 -all"
upper.example.org.     TXT "V=SPF1 INCLUDE:_SPF.Google.com ~ALL"

; nested several deep, each below another registered domain
deep.example.org.      TXT "v=spf1 include:_spf.reseller.example.com ~all"
_spf.reseller.example.com. TXT "v=spf1 ip4:192.0.2.64/28 include:spf.hoster.example.co.uk -all"
spf.hoster.example.co.uk. TXT "v=spf1 include:none.hoster.example.co.uk redirect=_pool.mailer.example.info"
none.hoster.example.co.uk. TXT "v=spf1 ip4:192.0.2.80/28 -all"
_pool.mailer.example.info. TXT "v=spf1 include:%{v}._pool.mailer.example.info -all"
in-addr._pool.mailer.example.info. TXT "v=spf1 exists:%{ir}._hosts.%{d2} -all"
7.100.51.198._hosts.example.info. A 127.0.0.2

; by exists and macros
macro.example.org.     TXT "v=spf1 include:%{d}.spf.host.example.com -all"
macro.example.org.spf.host.example.com. TXT "v=spf1 exists:%{ir}.%{v}.list.host.example.com -all"
1.2.0.192.in-addr.list.host.example.com. A 127.0.0.2
user.example.org.      TXT "v=spf1 exists:%{l}.users.host.example.com -all"
ann.users.host.example.com. A 127.0.0.2
o\'brien.users.host.example.com. A 127.0.0.2
anyone.example.org.    TXT "v=spf1 exists:%{ir}.wild.host.example.com -all"

; catch-alls
all.example.org.       TXT "v=spf1 ip4:192.0.2.1 +all"
inall.example.org.     TXT "v=spf1 include:all.example.com -all"
all.example.com.       TXT "v=spf1 all"
half.example.org.      TXT "v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all"
mask.example.org.      TXT "v=spf1 a:out.own.example.net/0 -all"
wide6.example.org.     TXT "v=spf1 ip6:2000::/3 -all"
eight.example.org.     TXT "v=spf1 ip4:198.0.0.0/8 ip4:198.51.0.0/16 ~all"
nine.example.org.      TXT "v=spf1 ip4:198.0.0.0/8 ip4:192.0.2.0/24 ~all"
parts.example.org.     TXT "v=spf1 include:a.parts.example.org include:b.parts.example.org -all"
a.parts.example.org.   TXT "v=spf1 ip4:10.0.0.0/8 -all"
b.parts.example.org.   TXT "v=spf1 ip4:198.0.0.0/8 -all"
minus.example.org.     TXT "v=spf1 -ip4:198.0.0.0/7 ip4:192.0.2.0/24 ~all"

; mistakes
ten.example.org.       TXT "v=spf1 include:1.ten.example.org -all"
two.example.org.       TXT "v=spf1 -all"
two.example.org.       TXT "v=spf1 +all"
wrong.example.org.     TXT "v=spf1 ip4:192.0.2.0/33 -all"
gone.example.org.      TXT "v=spf1 include:nowhere.example.org -all"
loop.example.org.      TXT "v=spf1 include:loop.example.org -all"
nul.example.org.       TXT "v=spf1 include:a\000b.example.org \007 -all"
`

// tenZone is a chain of eleven includes.
func tenZone() string {
	var b strings.Builder
	for i := 1; i <= 11; i++ {
		fmt.Fprintf(&b, "%d.ten.example.org. TXT \"v=spf1 include:%d.ten.example.org -all\"\n", i, i+1)
	}
	return b.String() + `12.ten.example.org. TXT "v=spf1 +all"` + "\n"
}

func TestSPF(t *testing.T) {
	_, r := serve(t, spfZone+tenZone()+"*.wild.host.example.com. A 127.0.0.2\n")
	for _, c := range []struct {
		client, helo, sender string
		result, provider     string
		why                  string // a part of it
	}{
		{"192.0.2.7", "", "ann@own.example.net", "pass", "example.net", "ip4:192.0.2.0/24"},
		{"198.51.100.1", "", "ann@own.example.net", "pass", "example.net", "a:out.own.example.net"},
		{"198.51.100.2", "", "ann@own.example.net", "pass", "example.net", "mx"},
		{"198.51.100.3", "", "ann@own.example.net", "pass", "example.net", "ptr"},
		{"2001:db8::2", "", "ann@OWN.Example.net", "pass", "example.net", "mx"},
		{"::ffff:192.0.2.7", "", "ann@own.example.net", "pass", "example.net", "ip4:192.0.2.0/24"},
		{"203.0.113.9", "", "ann@own.example.net", "fail", "", "all"},

		{"209.85.128.181", "", "shop@shop.example.org", "pass", "google.com", "include:_netblocks.google.com"},
		{"2a00:1450:4864:20::42e", "", "shop@shop.example.org", "pass", "google.com", "include:_netblocks2.google.com"},
		{"40.107.1.51", "", "shop@shop.example.org", "pass", "outlook.com", "include:spf.protection.outlook.com"},
		{"2a01:111:f400:7e1a::1", "", "shop@shop.example.org", "pass", "outlook.com", "include:spf.protection.outlook.com"},
		{"192.0.2.7", "", "shop@shop.example.org", "softfail", "", "all"},
		{"203.0.113.1", "", "a@elsewhere.example.org", "pass", "example.co.uk", "include:a.relay.example.co.uk"},
		{"209.85.128.181", "", "a@upper.example.org", "pass", "google.com", "include:_netblocks.google.com"},

		{"192.0.2.65", "", "a@deep.example.org", "pass", "example.com", "include:_spf.reseller.example.com"},
		{"192.0.2.81", "", "a@deep.example.org", "pass", "example.co.uk", "include:none.hoster.example.co.uk"},
		{"198.51.100.7", "", "a@deep.example.org", "pass", "example.info", "include:in-addr._pool.mailer.example.info"},
		{"198.51.100.8", "", "a@deep.example.org", "softfail", "", "all"},

		{"192.0.2.1", "", "a@macro.example.org", "pass", "example.com", "include:macro.example.org.spf.host.example.com"},
		{"192.0.2.2", "", "a@macro.example.org", "fail", "", ""},
		{"192.0.2.2", "", "ann@user.example.org", "pass", "", "exists:%{l}.users.host.example.com"},
		{"192.0.2.2", "", "o'brien@user.example.org", "pass", "", "exists:"},
		{"192.0.2.2", "", "eve@user.example.org", "fail", "", ""},
		{"192.0.2.2", "", "eve@anyone.example.org", "pass", "", "exists:"},

		{"192.0.2.1", "", "a@all.example.org", "pass", "", "ip4:192.0.2.1"},
		{"192.0.2.2", "", "a@all.example.org", "pass", "", "+all"},
		{"192.0.2.2", "", "a@inall.example.org", "pass", "", "include:all.example.com"},
		{"192.0.2.2", "", "a@half.example.org", "pass", "", "ip4:128.0.0.0/1"},
		{"192.0.2.2", "", "a@mask.example.org", "pass", "", "a:out.own.example.net/0"},
		{"2a00::1", "", "a@wide6.example.org", "pass", "", "ip6:2000::/3"},
		{"198.51.100.1", "", "a@eight.example.org", "pass", "example.org", "ip4:198.0.0.0/8"},
		{"198.51.100.1", "", "a@nine.example.org", "pass", "", "ip4:198.0.0.0/8"},
		{"198.51.100.1", "", "a@parts.example.org", "pass", "", "include:b.parts.example.org"},
		{"192.0.2.1", "", "a@minus.example.org", "pass", "example.org", "ip4:192.0.2.0/24"},

		{"192.0.2.7", "out.own.example.net", "<>", "none", "", "no DNS record found"},
		{"192.0.2.7", "own.example.net", "<>", "pass", "example.net", "ip4:192.0.2.0/24"},
		{"192.0.2.7", "own.example.net", "", "pass", "example.net", "ip4:192.0.2.0/24"},
		{"203.0.113.9", "own.example.net", "<>", "fail", "", "all"},
		{"192.0.2.7", "localhost", "<>", "none", "", "localhost"},
		{"192.0.2.7", "[192.0.2.7]", "<>", "none", "", ""},
		{"192.0.2.7", "own.example.net", "ann", "pass", "example.net", "ip4:192.0.2.0/24"},

		{"192.0.2.7", "", "ann@nowhere.example.net", "none", "", "no DNS record found"},
		{"192.0.2.7", "", "ann@out.own.example.net", "none", "", "no DNS record found"},
		{"192.0.2.7", "", "ann@a\x00b.example.net", "none", "", "a?b.example.net"},
		{"192.0.2.7", "", "ann@" + strings.Repeat("a", 64) + ".example.net", "none", "", ""},
		{"192.0.2.7", "", `"a@b"@own.example.net`, "pass", "example.net", "ip4:192.0.2.0/24"},

		{"192.0.2.7", "", "a@ten.example.org", "permerror", "", "lookup limit reached"},
		{"192.0.2.7", "", "a@two.example.org", "permerror", "", "multiple"},
		{"192.0.2.7", "", "a@wrong.example.org", "permerror", "", "invalid mask"},
		{"192.0.2.7", "", "a@gone.example.org", "permerror", "", "no DNS record found"},
		{"192.0.2.7", "", "a@loop.example.org", "permerror", "", "lookup limit reached"},
		{"192.0.2.7", "", "a@nul.example.org", "permerror", "", ""},
	} {
		for _, from := range []string{"server", "cache"} {
			got := r.SPF(t.Context(), addr(c.client), c.helo, c.sender)
			if got.Result != c.result || got.Provider != c.provider || !strings.Contains(got.Why, c.why) || !isPrintable(got.Why) {
				t.Errorf("%s %q %q, from the %s: %+v; want %s, provider %q, by %q", c.client, c.helo, c.sender, from, got, c.result, c.provider, c.why)
			}
		}
	}
}

// What a check rests on is asked for once, and its result kept, until the first
// of the answers expires.
func TestSPFIsRemembered(t *testing.T) {
	s, _ := serve(t, spfZone+`short.example.org. 40 TXT "v=spf1 include:_netblocks.google.com -all"`+"\n")
	clock := newClock()
	r := resolver(t, Options{Servers: []string{s.Address()}, Now: clock.Now})
	check := func() {
		t.Helper()
		if got := r.SPF(t.Context(), addr("74.125.1.1"), "", "ann@short.example.org"); got.Provider != "google.com" {
			t.Fatal(got)
		}
	}
	check()
	check()
	clock.pass(39 * time.Second)
	check()
	if n := s.Asked("", ""); n != 2 {
		t.Errorf("%d queries; want 2", n)
	}
	clock.pass(2 * time.Second)
	check()
	if n := s.Asked("short.example.org", "TXT"); n != 2 {
		t.Errorf("the record was asked for %d times; want 2", n)
	}
	if n := s.Asked("_netblocks.google.com", "TXT"); n != 1 {
		t.Errorf("the included record was asked for %d times; want 1", n)
	}
}

// However deep a check is nested, it takes one timeout in all, and leaves in
// time if its own context ends before.
func TestSPFTimeout(t *testing.T) {
	var zone strings.Builder
	for i := range 10 {
		fmt.Fprintf(&zone, "%d.deep.example.org. TXT \"v=spf1 include:%d.deep.example.org -all\"\n", i, i+1)
	}
	s, _ := serve(t, zone.String())
	s.Behave("*", nameserver.Slow(150*time.Millisecond))
	const timeout = 400 * time.Millisecond
	r := resolver(t, Options{Servers: []string{s.Address()}, Timeout: timeout})
	start := time.Now()
	got := r.SPF(t.Context(), addr("192.0.2.1"), "", "ann@0.deep.example.org")
	if took := time.Since(start); got.Result != rules.SPFTempError || took < timeout || took > 3*timeout {
		t.Errorf("%v after %v", got, took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start = time.Now()
	got = r.SPF(ctx, addr("192.0.2.1"), "", "ann@5.deep.example.org")
	if took := time.Since(start); got.Result != rules.SPFTempError || took > timeout {
		t.Errorf("%v after %v", got, took)
	}
}

// TestPassingByAddress: an address passes as the library says, whichever was asked before,
// and what is no address is the library's.
func TestPassingByAddress(t *testing.T) {
	texts := map[string]bool{ // whether any client passes by its address
		"ip4:192.0.2.0/24 ip6:2001:db8::/32 -all":               true,
		"IP4:192.0.2.7 +ip4:198.51.100.1 ~all":                  true,
		"ip4:192.0.2.7":                                         true,
		"?all ip4:192.0.2.0/24":                                 false,
		"ip6:2001:db8::7 ip4:0.0.0.0/0 -all":                    true,
		"ip4:198.51.100.1 -ip4:192.0.2.7 ip4:192.0.2.0/24 -all": true,
		"-ip4:192.0.2.7 ip4:192.0.2.0/24 -all":                  false,
		"ip4:192.0.2.300 ip4:192.0.2.7 -all":                    false,
		"ip4:192.0.2.0/33 ip4:192.0.2.7 -all":                   false,
		"ip4:2001:db8::7 ip6:192.0.2.7 -all":                    false,
		"a:out.own.example.net ip4:192.0.2.0/24 -all":           false,
		"+all": false,
		"include:part.example.org ip4:203.0.113.9 -all":                     true,
		"include:nowhere.example.org ip4:192.0.2.7 -all":                    false,
		"include:%{d}.example.org ip4:192.0.2.7 -all":                       false,
		"ip4:192.0.2.7 include:part.example.org redirect=part.example.org":  true,
		"ip4:192.0.2.7 redirect=part.example.org redirect=part.example.org": false,
		"exp=x.example.org ip4:192.0.2.7 -all":                              true,
		"unknown=x ip4:192.0.2.7 -all":                                      false,
		"ip6:2001:db8::7%eth0 ip4:192.0.2.7 -all":                           false,
		"include:part.example.org/24 ip4:192.0.2.7 -all":                    false,
	}
	zone := spfZone + `part.example.org. TXT "v=spf1 ip4:198.51.100.0/30 ~all"` + "\n"
	names := make(map[string]string)
	for text := range texts {
		name := fmt.Sprintf("%d.test.example.net", len(names))
		names[name] = text
		zone += name + `. TXT "v=spf1 ` + text + `"` + "\n"
	}
	_, r := serve(t, zone)
	clients := []string{"192.0.2.7", "192.0.2.8", "198.51.100.1", "203.0.113.9", "2001:db8::7", "2001:db8:1::8", "2001:db9::1"}
	for name, text := range names {
		byAddress := false
		for range 2 {
			for _, client := range clients {
				c := &spfCheck{resolver: r, client: addr(client), domain: name, sender: "ann@" + name, expires: r.now().Add(maxTTL)}
				found, passes := r.passing(name).find(c.client)
				if !passes {
					found, passes = c.byAddress(t.Context())
				}
				byAddress = byAddress || passes
				c.records = nil
				if library := c.run(t.Context()); passes && found != library {
					t.Errorf("%s for %s: %+v; the library says %+v", text, client, found, library)
				}
			}
			slices.Reverse(clients)
		}
		if byAddress != texts[text] {
			t.Errorf("%s: a client passes by its address: %v", text, byAddress)
		}
	}
}

// TestHostileSPF: records that are made to be expensive cost milliseconds, though each
// address has a provider of its own.
func TestHostileSPF(t *testing.T) {
	long := func(n int) string {
		text := strings.Repeat("ip4:10.200.100.1 ", n)
		var parts []string
		for ; len(text) > 250; text = text[250:] {
			parts = append(parts, text[:250])
		}
		return strings.Join(append(parts, text), `" "`)
	}
	zone := `evil.example.org. TXT "v=spf1 include:0.evil.example.org include:1.evil.example.org include:2.evil.example.org include:3.evil.example.org include:4.evil.example.org include:5.evil.example.org include:last.evil.example.org -all"` + "\n"
	for i := range 6 {
		zone += fmt.Sprintf("%d.evil.example.org. TXT \"v=spf1 ip4:10.0.0.1 -all \" \"%s\"\n", i, long(900))
	}
	zone += `last.evil.example.org. TXT "v=spf1 " "` + long(490) + `"` + "\n"
	_, r := serve(t, zone)
	check := func() time.Duration {
		c := &spfCheck{resolver: r, client: addr("192.0.2.7"), domain: "evil.example.org", sender: "ann@evil.example.org", expires: r.now().Add(maxTTL)}
		began := time.Now()
		if found, passes := c.byAddress(t.Context()); passes {
			t.Error(found)
		}
		return time.Since(began)
	}
	check() // the records are in the cache
	if n := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			check()
		}
	}).AllocsPerOp(); n > 20_000 {
		t.Errorf("a check takes %d allocations", n)
	}
}
