package e2e

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"greyglass/e2e/lab"
	"greyglass/e2e/nameserver"
)

// A zone with all that the rules below can find out. mx.partner.test has one address,
// and another one says that it has that name.
const factsZone = `
sender.test.                    TXT "v=spf1 include:_spf.sender.test -all"
_spf.sender.test.               TXT "v=spf1 ip4:203.0.113.0/28 -all"
9.100.51.198.bl.sender.test.    A   127.0.0.2
32.113.0.203.in-addr.arpa.      PTR mx.partner.test.
33.113.0.203.in-addr.arpa.      PTR mx.partner.test.
mx.partner.test.                A   203.0.113.32
`

const factsRules = `
[dns]
servers = ["%s:53"]
timeout = "1s"
blocklists = ["bl.sender.test"]

[[rule]]
name = "carol"
when = 'recipient == "carol@example.test"'
then = "accept"

[[rule]]
name = "partner"
when = 'client_name == "mx.partner.test"'
then = "accept"

[[rule]]
name = "forged"
when = 'spf == "fail"'
then = "deny"

[[rule]]
name = "provider"
when = 'spf == "pass" && spf_provider == "sender.test"'
then = "accept"

[[rule]]
name = "listed"
when = 'dnsbl()'
then = "greylist"
`

// lastNameServer counts up: each test has an address of its own, since port 53 is the one
// that mail servers ask.
var lastNameServer atomic.Int32

// startSiteWithDNS starts a mail server and Greyglass, which ask one DNS server; its
// address stands for %s in the configuration.
func startSiteWithDNS(t *testing.T, a attachment, zone string, c conf) (*site, *nameserver.Server) {
	t.Helper()
	lab.Require(t)
	address := fmt.Sprintf("127.0.1.%d", lastNameServer.Add(1))
	server, err := nameserver.Start(address+":53", zone)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	c.more = fmt.Sprintf(c.more, address)
	return startSite(t, a, c, lab.Options{NameServer: address}), server
}

// Rules by facts of each mail server, and by what a real DNS server says or does not.
func TestFacts(t *testing.T) {
	lab.Require(t)
	for _, a := range attachments {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s, server := startSiteWithDNS(t, a, factsZone, conf{more: factsRules})
			n := 0
			decided := func(what, client, sender, recipient, reason, rule, spf string) {
				t.Helper()
				began := time.Now()
				reply := s.try(client, sender, recipient)
				took := time.Since(began)
				s.reasons(recipient, 1)
				n++
				s.wait("a decision", func() bool { return len(s.decisions("")) >= n })
				line := s.decisions("")[n-1]
				if line.str("reason") != reason || line.str("rule") != rule || line.str("spf") != spf {
					t.Errorf("%s: %s, %v", what, reply, line)
				}
				if most := 20 * time.Second; took > most {
					t.Errorf("%s: took %v", what, took)
				}
			}
			decided("a rule by recipient", "198.51.100.51", "eve@other.test", carol, "rule:carol", "", "")
			decided("a rule by client name", "203.0.113.32", "eve@other.test", bob, "rule:partner", "", "")
			decided("a forged client name", "203.0.113.33", "eve@other.test", bob, "not-seen-before", "", "none")
			decided("SPF pass", "203.0.113.7", "ann@sender.test", bob, "rule:provider", "", "pass")
			decided("SPF fail", "203.0.113.60", "ann@sender.test", bob, "rule:forged", "", "fail")
			decided("on a block list", "198.51.100.9", "eve@other.test", bob, "not-seen-before", "listed", "none")

			lie := func(_ dns.ResponseWriter, query, answer *dns.Msg) bool {
				rr, err := dns.NewRR(query.Question[0].Name + " 60 IN A 10.66.66.66")
				if err != nil {
					t.Error(err)
				}
				answer.Rcode, answer.Answer = dns.RcodeSuccess, []dns.RR{rr}
				return false
			}
			server.Behave("*", lie)
			decided("DNS lies", "198.51.100.61", "ann@a.test", bob, "not-seen-before", "", "none")
			server.Behave("*", nameserver.OtherQuestion)
			decided("DNS answers other questions", "198.51.100.62", "ann@b.test", bob, "not-seen-before", "", "temperror")
			server.Behave("*", nameserver.Slow(10*time.Second))
			decided("DNS is slow", "198.51.100.63", "ann@c.test", bob, "not-seen-before", "", "temperror")
			server.Close()
			decided("DNS is down", "198.51.100.64", "ann@d.test", bob, "not-seen-before", "", "temperror")
			decided("DNS is down, what is known", "203.0.113.60", "ann@sender.test", bob, "rule:forged", "", "fail")
			if lines := s.count("DNS fails; rules that ask it do not match"); lines != 1 {
				t.Errorf("%d lines say that DNS fails", lines)
			}
		})
	}
}
