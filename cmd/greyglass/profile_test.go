package main

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

var gentle = conf{"greylist.profile": `"gentle"`, "dns.blocklists": `["bl.example.org"]`, "dns.allowlists": `["wl.example.org"]`}

// attempts are lines for replay about ann@example.net, each with more keys.
func attempts(more ...string) string {
	var lines strings.Builder
	for _, keys := range more {
		fmt.Fprintf(&lines, `{"client_address":"203.0.113.7","sender":"ann@example.net","recipient":"bob@example.org",%s}`+"\n", keys)
	}
	return lines.String()
}

// TestGentle has the first message of an unknown client, by what is known of it.
func TestGentle(t *testing.T) {
	t.Parallel()
	s := newSite(t, gentle)
	const (
		named   = `"client_name":"srv4.example.net"`
		mail    = `"client_name":"mail.example.net"`
		pool    = `"client_name":"203-0-113-7.outbound.example.net"`
		line    = `"client_name":"dsl-203-0-113-7.example.net"`
		classic = `"reason":"not-seen-before","wait":3600`
		soft    = `"reason":"not-seen-before","wait":180`
		kept    = `"reason":"rule:gentle-well-kept"`
		pass    = `,"spf":"pass","spf_provider":"example.com"`
	)
	for _, c := range []struct{ facts, want string }{
		{named + pass, kept},
		{pool + pass, kept},
		{line + pass, kept},
		{pass[1:], soft},
		{`"spf":"softfail"`, classic},
		{`"spf":"none"`, classic},
		{named + `,"spf":"none"`, `"reason":"rule:gentle-named"`},
		{named + `,"spf":"neutral"`, `"reason":"rule:gentle-named"`},
		{named + `,"spf":"softfail"`, soft},
		{named + `,"spf":"permerror"`, soft},
		{named + `,"spf":"fail"`, classic},
		{mail + `,"spf":"softfail"`, `"reason":"rule:gentle-mail-name"`},
		{mail + `,"spf":"softfail","sender":"ann@gmail.com"`, soft},
		{mail + `,"spf":"permerror"`, soft},
		{mail + `,"spf":"fail"`, classic},
		{pool + `,"spf":"none"`, `"reason":"rule:gentle-named"`},
		{pool + `,"spf":"softfail"`, `"reason":"rule:gentle-mail-name"`},
		{pool + `,"spf":"fail"`, classic},
		// SPF passes by a record that matches nearly all addresses.
		{named + `,"spf":"pass"`, kept},
		{line + `,"spf":"pass"`, classic},
		{`"spf":"pass"`, classic},
		{line + `,"spf":"none"`, classic},
		{line + `,"spf":"neutral"`, classic},
		// A failure of DNS makes nobody suspicious.
		{named + `,"spf":"temperror"`, soft},
		{pool + `,"spf":"temperror"`, soft},
		{line + `,"spf":"temperror"`, soft},
		// Only the lists that are configured count.
		{named + `,"spf":"pass","dnsbl":["bl.example.org"]`, classic},
		{named + `,"spf":"pass","dnsbl":["other.example.org"]`, kept},
		{`"client_name":"ext-smtp11.eu.battle.net","spf":"fail"`, `"reason":"rule:gentle-known-senders"`},
		{`"client_name":"mx-7.evanzo-server.de","spf":"none","dnsbl":["bl.example.org"]`, `"reason":"rule:gentle-known-senders"`},
		{`"dnswl":["wl.example.org"]`, `"reason":"rule:gentle-allow-listed"`},
	} {
		if r := s.replay(attempts(`"time":1000,` + c.facts)); !strings.Contains(r.stdout, c.want) || r.stderr != "" {
			t.Errorf("%s: %s%s, want %s", c.facts, r.stdout, r.stderr, c.want)
		}
	}
}

// TestGentleWindows: a retry after three minutes passes, and so does one after two days;
// an earlier one restarts no wait. A client that has passed once is proven.
func TestGentleWindows(t *testing.T) {
	t.Parallel()
	s := newSite(t, gentle)
	at := func(time int, facts, expect string) string {
		return fmt.Sprintf(`"time":%d,"expect":%q,%s`, 1_000_000+time, expect, facts)
	}
	const (
		soft, suspicious = `"client_name":"mail.example.net","spf":"permerror"`, `"client_name":""`
		pass             = `"client_name":"mail.example.net","spf":"pass","spf_provider":"example.net"`
		listed           = `,"dnsbl":["bl.example.org"]`
		other            = `,"sender":"joe@example.net"`
	)
	for name, lines := range map[string]string{
		"at once, and on time": attempts(at(0, soft, "not-seen-before"), at(10, soft, "too-soon"), at(59, soft, "too-soon"), at(180, soft, "now-grey")),
		"after two days":       attempts(at(0, soft, "not-seen-before"), at(172800, soft, "now-grey")),
		"later":                attempts(at(0, soft, "not-seen-before"), at(172801, soft, "too-late")),
		"suspicious":           attempts(at(0, suspicious, "not-seen-before"), at(60, suspicious, "way-too-soon"), at(300, suspicious, "too-soon"), at(3660, suspicious, "now-grey")),
		"no longer suspicious": attempts(at(0, suspicious, "not-seen-before"), at(300, soft, "now-grey")),
		"proven":               attempts(at(0, suspicious, "not-seen-before"), at(3600, suspicious, "now-grey"), at(3601, suspicious+other, "proven-client")),
		"proven, and listed":   attempts(at(0, suspicious, "not-seen-before"), at(3600, suspicious, "now-grey"), at(3601, suspicious+other+listed, "not-seen-before")),
		"a proven provider":    attempts(at(0, pass+listed, "not-seen-before"), at(3600, pass+listed, "now-grey"), at(3601, pass+other+listed, "rule:gentle-well-kept")),
	} {
		if r := s.replay(lines); r.status != 0 || r.stderr != "" {
			t.Errorf("%s: status %d, %s%s", name, r.status, r.stderr, r.stdout)
		}
	}
}

// TestGentleCorrespondent: a reply passes at once also where the client has no name or a
// dynamic one, unless SPF or a list speaks against it.
func TestGentleCorrespondent(t *testing.T) {
	t.Parallel()
	with := maps.Clone(gentle)
	with["learn.outbound"], with["learn.local_domains"] = "true", `["example.org"]`
	s := newSite(t, with)
	for facts, want := range map[string]string{
		`"client_name":"","spf":"none"`:                            "correspondent",
		`"client_name":"dsl-203-0-113-7.example.net","spf":"none"`: "correspondent",
		`"client_name":"mail.example.net","spf":"permerror"`:       "correspondent",
		`"client_name":"mail.example.net","spf":"pass"`:            "rule:gentle-well-kept",
		`"client_name":"mail.example.net","spf":"fail"`:            "not-seen-before",
		`"client_name":"","spf":"none","dnsbl":["bl.example.org"]`: "not-seen-before",
	} {
		lines := `{"time":1000,"client_address":"192.0.2.9","sasl_username":"bob","sender":"bob@example.org","recipient":"ann@example.net"}
{"time":1001,"client_address":"203.0.113.7","sender":"ann@example.net","recipient":"bob@example.org",` + facts + `,"expect":"` + want + `"}
`
		if r := s.replay(lines); r.status != 0 || r.stderr != "" {
			t.Errorf("%s: status %d, %s%s", facts, r.status, r.stderr, r.stdout)
		}
	}
}

// TestProfileByReload: a profile is chosen and left by SIGHUP, and its rules are named as
// any others.
func TestProfileByReload(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	daemon := s.serve()
	expect := func(recipient, rule string, wait float64) {
		t.Helper()
		s.ask("203.0.113.7", "ann@intranet", recipient) // whose SPF is none, without a query
		line := daemon.wait(`"msg":"decision"`, recipient)
		if line.str("rule") != rule || line["wait"] != wait {
			t.Errorf("logged %v, want rule %q and wait %v", line, rule, wait)
		}
	}
	expect("1@example.org", "", 3600)
	s.configure(conf{"greylist.profile": `"gentle"`})
	daemon.reload()
	expect("2@example.org", "gentle-no-name", 3600)
	if got := s.output("explain", "203.0.113.7", "ann@intranet", "3@example.org"); !strings.Contains(got, "> rule gentle-no-name ") || !strings.Contains(got, `client_name=""`) {
		t.Errorf("explained\n%s", got)
	}
	s.configure(nil)
	daemon.reload()
	expect("4@example.org", "", 3600)
}
