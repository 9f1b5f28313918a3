package e2e

import (
	"testing"
	"time"

	"greyglass/e2e/lab"
	"greyglass/e2e/nameserver"
)

// 203.0.113.0/28 sends mail of sender.test; of its clients, 203.0.113.8 has a name like
// a pool's of a large provider. 203.0.113.9 has none. other.test has no SPF record.
const gentleZone = `
sender.test.                          TXT "v=spf1 ip4:203.0.113.0/28 -all"
other.test.                           TXT "no SPF"
7.113.0.203.in-addr.arpa.             PTR mx.sender.test.
mx.sender.test.                       A   203.0.113.7
8.113.0.203.in-addr.arpa.             PTR mail-203-0-113-8.outbound.sender.test.
mail-203-0-113-8.outbound.sender.test. A  203.0.113.8
9.100.51.198.in-addr.arpa.            PTR dsl-198-51-100-9.isp.test.
dsl-198-51-100-9.isp.test.            A   198.51.100.9
10.100.51.198.in-addr.arpa.           PTR mail.other.test.
mail.other.test.                      A   198.51.100.10
12.100.51.198.in-addr.arpa.           PTR mail.new.test.
mail.new.test.                        A   198.51.100.12
11.113.0.203.bl.test.                 A   127.0.0.2
11.113.0.203.in-addr.arpa.            PTR mx2.sender.test.
mx2.sender.test.                      A   203.0.113.11
`

const gentleDNS = `
[dns]
servers = ["%s:53"]
timeout = "1s"
blocklists = ["bl.test"]
`

// The gentle profile by facts of a real mail server: who passes at once, and who waits.
func TestGentle(t *testing.T) {
	lab.Require(t)
	for _, a := range attachments[:2] { // Postfix, by milter and by policy
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s, server := startSiteWithDNS(t, a, gentleZone, conf{greylist: `profile = "gentle"`, more: gentleDNS})
			const soft, classic = 180.0, 3600.0
			n := 0
			next := func(what, client, sender string) logLine {
				t.Helper()
				s.try(client, sender, bob)
				n++
				s.wait("a decision", func() bool { return len(s.decisions("")) >= n })
				return s.decisions("")[n-1]
			}
			for _, c := range []struct {
				what, client, sender string
				reason, rule         string
				wait                 any // seconds; nil: accepted
			}{
				{"a well-kept stranger", "203.0.113.7", "ann@sender.test", "rule:gentle-well-kept", "", nil},
				{"a pool", "203.0.113.8", "ann@sender.test", "rule:gentle-well-kept", "", nil},
				{"no name", "203.0.113.9", "ann@other.test", "not-seen-before", "gentle-no-name", classic},
				{"no name, but SPF pass", "203.0.113.9", "ann@sender.test", "not-seen-before", "", soft},
				{"a dynamic name", "198.51.100.9", "ann@other.test", "not-seen-before", "gentle-dynamic", classic},
				{"SPF fail", "198.51.100.10", "ann@sender.test", "not-seen-before", "gentle-spf-fail", classic},
				{"on a blocklist", "203.0.113.11", "joe@sender.test", "not-seen-before", "gentle-block-listed", classic},
				{"nothing known against it", "198.51.100.10", "ann@other.test", "rule:gentle-named", "", nil},
			} {
				line := next(c.what, c.client, c.sender)
				if line.str("reason") != c.reason || line.str("rule") != c.rule || line["wait"] != c.wait {
					t.Errorf("%s: %v", c.what, line)
				}
			}

			// A silent name server costs a message that nothing is known of dns.timeout, for
			// the blocklist and SPF together, and does not make it suspicious.
			server.Behave("new.test.", nameserver.Silent)
			server.Behave("12.100.51.198.bl.test.", nameserver.Silent)
			line := next("DNS is silent", "198.51.100.12", "ann@new.test")
			took, err := time.ParseDuration(line.str("took"))
			if line.str("spf") != "temperror" || line.str("rule") != "" || line["wait"] != soft || err != nil {
				t.Errorf("DNS is silent: %v", line)
			}
			if took > 1900*time.Millisecond { // less than twice
				t.Errorf("DNS is silent: took %v", took)
			}
		})
	}
}
