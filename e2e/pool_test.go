package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"greyglass/e2e/lab"
	"greyglass/e2e/nameserver"
)

// shop.test sends by pool.test, whose record is three includes deep. brief.test does, too;
// what is known of it is forgotten after a second.
const poolZone = `
shop.test.                TXT "v=spf1 include:_spf.pool.test ~all"
brief.test.             1 TXT "v=spf1 include:_brief.pool.test ~all"
_brief.pool.test.       1 TXT "v=spf1 ip4:203.0.113.64/27 ~all"
_spf.pool.test.           TXT "v=spf1 include:_netblocks1.pool.test include:_netblocks2.pool.test ~all"
_netblocks1.pool.test.    TXT "v=spf1 ip4:198.51.100.128/28 ~all"
_netblocks2.pool.test.    TXT "v=spf1 include:%{v}.ranges.pool.test ~all"
in-addr.ranges.pool.test. TXT "v=spf1 ip4:203.0.113.64/27 ~all"
ip6.ranges.pool.test.     TXT "v=spf1 ip6:2001:db8:70::/44 ~all"
40.113.0.203.in-addr.arpa. PTR mx1.named.test.
41.113.0.203.in-addr.arpa. PTR mx2.named.test.
mx1.named.test.           A   203.0.113.40
mx2.named.test.           A   203.0.113.41
`

// poolAddresses are 40 addresses of pool.test, of several networks and both families.
func poolAddresses() (all []string) {
	for i := range 14 {
		all = append(all, fmt.Sprintf("203.0.113.%d", 65+i), fmt.Sprintf("198.51.100.%d", 129+i))
	}
	for i := range 12 {
		all = append(all, fmt.Sprintf("2001:db8:7%x:%d::25", i, i))
	}
	return all
}

// TestPool: a provider that retries from another address each time waits once.
func TestPool(t *testing.T) {
	lab.Require(t)
	for _, a := range attachments {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s, server := startSiteWithDNS(t, a, poolZone, conf{
				greylist: quick + `client_identity = "provider"`,
				more:     "[dns]\nservers = [\"%s:53\"]\ntimeout = \"1s\"\n",
			})
			pool := poolAddresses()
			s.deferred("the first address", s.try(pool[0], "orders@shop.test", bob))
			time.Sleep(quickWait)
			for i := range pool { // the first again, last
				s.accepted("another address", s.try(pool[(i+1)%len(pool)], "orders@shop.test", bob))
			}
			s.mx.WaitMail(len(pool))
			s.deferred("no address of the pool", s.try("203.0.113.7", "orders@shop.test", bob))
			s.deferred("another sender of the pool", s.try(pool[1], "news@shop.test", bob))

			s.reasons(bob, len(pool)+3)
			for i, line := range s.decisions(bob) {
				var want any = "spf:pool.test"
				if i == len(pool)+1 {
					want = nil
				}
				if line["identity"] != want {
					t.Errorf("attempt %d: identity %v, want %v", i, line["identity"], want)
				}
			}
			out, stderr, status := s.daemon.run("list", "--json", "--client", "spf:pool.test", "--sender", "orders@shop.test")
			var rows []map[string]any
			if err := json.Unmarshal([]byte(out), &rows); err != nil || status != 0 || len(rows) != 1 {
				t.Errorf("listed %s, %s", out, stderr)
			}

			// Without SPF it is the confirmed name; from here on DNS is silent now and then.
			s.deferred("a name", s.try("203.0.113.40", "ann@nowhere.test", carol))
			s.deferred("a provider, when it is retried without DNS", s.try("203.0.113.70", "ann@brief.test", carol))
			time.Sleep(quickWait)
			server.Behave("*", nameserver.Silent)
			s.accepted("without DNS, from the same address", s.try("203.0.113.70", "ann@brief.test", carol))
			s.deferred("first without DNS", s.try("203.0.113.71", "eve@shop.example", carol))
			server.Behave("*", nil)
			s.accepted("another host with a name of the domain", s.try("203.0.113.41", "ann@nowhere.test", carol))
			if got, want := s.reasons(carol, 5), "not-seen-before not-seen-before now-grey not-seen-before now-grey"; got != want {
				t.Errorf("reasons: got %q, want %q", got, want)
			}
			if got := s.decisions(carol)[4]; got["identity"] != "name:named.test" {
				t.Errorf("by its name: %v", got)
			}
		})
	}
}
