package doctor

import (
	"strings"
	"testing"
	"time"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/e2e/nameserver"
)

// TestBackup: the MX hosts behind this machine are its backups. Its addresses are 192.0.2.1
// and 2001:db8::1.
func TestBackup(t *testing.T) {
	server, err := nameserver.Start("127.0.0.1:0", `
here.test.     A    192.0.2.1
mx.here.test.  A    192.0.2.1
mx6.here.test. AAAA 2001:db8::1
mx2.here.test. A    198.51.100.2
mx2.here.test. AAAA 2001:db8:2::2
mx3.here.test. A    198.51.100.3
one.test.      MX   10 mx.here.test.
two.test.      MX   10 mx.here.test.
two.test.      MX   20 mx2.here.test.
two.test.      MX   30 gone.here.test.
second.test.   MX   10 mx3.here.test.
second.test.   MX   20 mx6.here.test.
equal.test.    MX   10 mx3.here.test.
equal.test.    MX   10 mx.here.test.
none.test.     MX   0  .
other.test.    MX   10 mx2.here.test.
other.test.    MX   20 mx3.here.test.
`)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	server.Behave("silent.test.", nameserver.Silent)
	for _, c := range []struct {
		name    string
		domains string
		allowed string
		machine string // its name
		want    []string
		fix     string
		right   []string
	}{
		{name: "no domains", right: []string{"names no domain"}},
		{name: "patterns only", domains: `"*.one.test"`, right: []string{"names no domain"}},
		{name: "one MX", domains: `"one.test"`, right: []string{"there is none, by the MX records of one.test"}},
		{name: "no MX", domains: `"here.test", "@none.test"`, right: []string{"there is none, by the MX records of here.test, none.test"}},
		{name: "this is the second", domains: `"second.test"`, right: []string{"there is none"}},
		{name: "equal", domains: `"equal.test"`, right: []string{"there is none"}},
		{name: "a backup", domains: `"one.test", "Two.test"`, allowed: `"203.0.113.0/24"`,
			want: []string{"warn: mail that a backup MX relays to this machine would be greylisted, although it has waited there: mx2.here.test (198.51.100.2, for two.test), mx2.here.test (2001:db8:2::2, for two.test)"},
			fix:  `write 'allowed_sender_nets = ["203.0.113.0/24", "198.51.100.2", "2001:db8:2::2"]' below [rules]`},
		{name: "half allowed", domains: `"two.test"`, allowed: `"198.51.100.0/24"`, want: []string{"warn: mail that a backup MX relays to this machine would be greylisted, although it has waited there: mx2.here.test (2001:db8:2::2, for two.test)"}},
		{name: "allowed", domains: `"two.test"`, allowed: `"198.51.100.0/24", "2001:db8:2::/48"`, right: []string{"mail of 198.51.100.2, 2001:db8:2::2 is accepted"}},
		{name: "by no address", domains: `"other.test"`, allowed: `"2001:db8::/32"`,
			want: []string{"warn: none of the MX hosts is this machine, by address or name; mail that they relay to it would be greylisted: mx2.here.test (198.51.100.2, for other.test), mx3.here.test (198.51.100.3, for other.test)"}},
		{name: "by its name", domains: `"other.test"`, machine: "MX2", want: []string{"warn: mail that a backup MX relays to this machine would be greylisted, although it has waited there: mx3.here.test (198.51.100.3"}},
		{name: "by its full name", domains: `"other.test"`, machine: "mx3.here.test", right: []string{"there is none"}},
		{name: "DNS is silent", domains: `"one.test", "silent.test"`, want: []string{"warn: not checked, because the MX hosts of silent.test cannot be found"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := subject(t, nil, nil)
			s.Machine.Name = c.machine
			s.Loaded, err = config.Load(config.Source{Set: []string{`dns.servers=["` + server.Address() + `"]`,
				"rules.allowed_domains=[" + c.domains + "]", "rules.allowed_sender_nets=[" + c.allowed + "]"}})
			if err != nil {
				t.Fatal(err)
			}
			s.Loaded.Config.DNS.Timeout = 250 * time.Millisecond
			if len(c.want) == 0 || !strings.Contains(c.want[0], "not checked") {
				s.Loaded.Config.DNS.Timeout = 10 * time.Second
			}
			got := examine(t, s, checkBackup)
			wantProblems(t, got, c.want...)
			wantOK(t, got, c.right...)
			if c.fix != "" && !strings.HasPrefix(got[0].Fix, c.fix) {
				t.Errorf("the fix is %q", got[0].Fix)
			}
		})
	}
}
