package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/miekg/dns"

	"greyglass/e2e/nameserver"
)

const dnsRules = `
[[rule]]
name = "forged"
when = 'spf == "fail"'
then = "deny"

[[rule]]
name = "listed"
when = 'dnsbl()'
then = "greylist"
min_defer_time = "2h"

[[rule]]
name = "known-provider"
when = 'spf == "pass" && spf_provider == "example.net"'
then = "accept"
`

const dnsZone = `
example.net.               TXT "v=spf1 include:_spf.example.net -all"
_spf.example.net.          TXT "v=spf1 ip4:203.0.113.0/28 -all"
7.113.0.203.bl.example.org. A  127.0.0.2
`

// withDNS makes a site with a name server and the rules above.
func withDNS(t *testing.T) (*site, *nameserver.Server, conf) {
	t.Helper()
	server, err := nameserver.Start("127.0.0.1:0", dnsZone)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	more := conf{"dns.servers": quoted(server.Address()), "dns.blocklists": `["bl.example.org"]`, "dns.timeout": `"1s"`}
	s := newSite(t, more)
	return s, server, more
}

// configureRules writes the configuration with ordered rules at its end.
func (s *site) configureRules(more conf, rules string) {
	s.t.Helper()
	s.configure(more)
	s.write("greyglass.toml", s.read("greyglass.toml")+rules)
}

func TestRulesByDNS(t *testing.T) {
	t.Parallel()
	s, server, more := withDNS(t)
	daemon := s.serve()
	expect := func(client, sender, want string) {
		t.Helper()
		if got := s.reason(daemon, client, sender, "bob@example.org"); got != want {
			t.Errorf("%s %s: reason %q, want %q", client, sender, got, want)
		}
	}

	// Nothing is looked up that no rule asks for.
	expect("203.0.113.1", "ann@example.net", "not-seen-before")
	if n := server.Asked("", ""); n != 0 {
		t.Errorf("%d DNS queries for rules that ask nothing of DNS", n)
	}
	if lines := daemon.find(`"spf"`); len(lines) > 0 {
		t.Errorf("logged %v, though SPF was not looked up", lines)
	}

	s.configureRules(more, dnsRules)
	daemon.reload()
	expect("192.0.2.1", "ann@example.net", "rule:forged")
	if line := daemon.wait(`"msg":"decision"`, "rule:forged"); line.str("spf") != "fail" {
		t.Errorf("logged %v", line)
	}
	expect("203.0.113.1", "ann@example.net", "rule:known-provider")
	expect("203.0.113.7", "ann@example.net", "not-seen-before")
	if wait := daemon.waitMore(0, `"client":"203.0.113.7"`).str("rule"); wait != "listed" {
		t.Errorf("rule %q", wait)
	}

	// What is known stays known when the configuration is read again.
	n := server.Asked("", "")
	daemon.reload()
	expect("192.0.2.1", "ann@example.net", "rule:forged")
	if more := server.Asked("", "") - n; more != 0 {
		t.Errorf("%d queries for what was known", more)
	}

	// A name server that is silent costs the message one timeout, and no rule that
	// asks it matches.
	server.Behave("*", nameserver.Silent)
	began := time.Now()
	expect("203.0.113.8", "ann@elsewhere.example", "not-seen-before")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the answer took %v", took)
	}

	// That is one line of the log, however many messages wait for it.
	server.Behave("*", nameserver.Code(dns.RcodeServerFailure))
	for i := range 10 {
		expect("203.0.113.8", fmt.Sprintf("ann@%d.example", i), "not-seen-before")
	}
	if n := len(daemon.find("DNS fails")); n != 1 {
		t.Errorf("%d lines in the log say that DNS fails", n)
	}
}

// While a session waits for DNS, others are answered.
func TestDNSHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	s, server, more := withDNS(t)
	more["dns.timeout"] = `"10s"`
	s.configureRules(more, dnsRules)
	daemon := s.serve()
	s.reason(daemon, "192.0.2.1", "ann@example.net", "bob@example.org") // whose SPF is known from then on
	server.Behave("*", nameserver.Silent)
	waiting := make(chan error, 20)
	for i := range cap(waiting) {
		go func() {
			_, err := s.tryAsk("203.0.113.9", fmt.Sprintf("ann@%d.example", i), "bob@example.org")
			waiting <- err
		}()
	}
	eventually(t, "all wait for DNS", func() bool { return server.Asked("", "") >= cap(waiting) })
	began := time.Now()
	if got := s.reason(daemon, "192.0.2.1", "ann@example.net", "bob@example.org"); got != "rule:forged" {
		t.Errorf("reason %q", got)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("another session waits %v", took)
	}
	for range cap(waiting) {
		if err := <-waiting; err != nil {
			t.Error(err)
		}
	}
}
