package lookup

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"greyglass/e2e/nameserver"
	"greyglass/greylist/rules"
)

// Whatever a server answers costs bounded time and memory, and looks like no
// answer.
func TestHostileServers(t *testing.T) {
	const timeout = 600 * time.Millisecond
	reply := func(change func(*dns.Msg)) nameserver.Behaviour {
		return func(_ dns.ResponseWriter, _, answer *dns.Msg) bool {
			change(answer)
			return false
		}
	}
	record := func(format string, args ...any) dns.RR {
		rr, err := dns.NewRR(fmt.Sprintf(format, args...))
		if err != nil {
			t.Fatal(err)
		}
		return rr
	}
	header := []byte{0x81, 0x80, 0, 1, 0xff, 0xff, 0, 0, 0, 0} // 65,535 answers
	for _, c := range []struct {
		name  string
		does  nameserver.Behaviour
		drips time.Duration
		why   string // a part of it
	}{
		{"silence", nameserver.Silent, 0, "timed out"},
		{"a slow answer", nameserver.Slow(2 * timeout), 0, "timed out"},
		{"a failure", nameserver.Code(dns.RcodeServerFailure), 0, "SERVFAIL"},
		{"an unknown code", nameserver.Code(13), 0, "code 13"},
		{"a referral", nameserver.Refer, 0, "does not ask others"},
		{"another number", nameserver.OtherNumber, 0, "timed out"},
		{"another question", nameserver.OtherQuestion, 0, "timed out"},
		{"another question by TCP", nameserver.ByTCP(nameserver.OtherQuestion), 0, "other questions"},
		{"a query", reply(func(m *dns.Msg) { m.Response = false }), 0, "timed out"},
		{"no question", reply(func(m *dns.Msg) { m.Question = nil }), 0, "timed out"},
		{"nothing", nameserver.Raw(nil), 0, ""},
		{"no message", nameserver.Raw(bytes.Repeat([]byte{0xff}, 500)), 0, "not a DNS message"},
		{"many answers, it says", nameserver.Raw(header), 0, ""},
		{"a name that points to itself", nameserver.Raw(append(header[:len(header):len(header)], 0xc0, 12, 0, 1, 0, 1)), 0, "not a DNS message"},
		{"longer than was asked for", nameserver.Raw(append(header[:len(header):len(header)], make([]byte, 20000)...)), 0, "not a DNS message"},
		{"64 kB", nameserver.ByTCP(nameserver.Raw(make([]byte, 65000))), 0, "65002 octets"},
		{"truncated also by TCP", nameserver.ByTCP(nameserver.ByTCP(reply(func(m *dns.Msg) { m.Truncated = true; m.Answer = nil }))), 0, "truncated also by TCP"},
		{"an octet at a time", nameserver.ByTCP(nil), 50 * time.Millisecond, "timed out"},
		{"an alias of itself", reply(func(m *dns.Msg) { m.Answer = []dns.RR{record("x.example.org. CNAME x.example.org.")} }), 0, "loop of aliases"},
		{"a loop of aliases", reply(func(m *dns.Msg) {
			m.Answer = []dns.RR{record("x.example.org. CNAME y.example.org."), record("y.example.org. CNAME x.example.org.")}
		}), 0, "loop of aliases"},
		{"many aliases", reply(func(m *dns.Msg) {
			name := "x.example.org."
			m.Answer = nil
			for i := range 12 {
				next := fmt.Sprintf("%d.example.org.", i)
				m.Answer = append(m.Answer, record("%s CNAME %s", name, next))
				name = next
			}
			m.Answer = append(m.Answer, record("%s TXT \"v=spf1 +all\"", name))
		}), 0, "too many"},
		{"many records", nameserver.ByTCP(reply(func(m *dns.Msg) {
			for i := range 300 {
				m.Answer = append(m.Answer, record("x.example.org. TXT %d", i))
			}
		})), 0, "too many records"},
		{"1,000 strings", nameserver.ByTCP(reply(func(m *dns.Msg) {
			m.Answer = []dns.RR{record("x.example.org. TXT \"v=spf1 \" %s", strings.Repeat(`"+all "`, 999))}
		})), 0, "too many strings"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := serve(t, `x.example.org. TXT "v=spf1 +all"`)
			s.Behave("x.example.org", c.does)
			s.Drip(c.drips)
			r := resolver(t, Options{Servers: []string{s.Address()}, Timeout: timeout})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			got := r.SPF(t.Context(), addr("192.0.2.1"), "", "ann@x.example.org")
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if got.Result != rules.SPFTempError || got.Provider != "" || !strings.Contains(got.Why, c.why) || !isPrintable(got.Why) {
				t.Errorf("%+v; want why %q", got, c.why)
			}
			if took > 4*timeout {
				t.Errorf("it took %v", took)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
				t.Errorf("%d octets of memory were taken", n)
			}
		})
	}
}

// A hostile domain's names never leave the answer as they are.
func TestHostileNames(t *testing.T) {
	s, r := serve(t, `
x.example.org. TXT "v=spf1 mx:x.example.org ptr:example.org include:y\000\007.example.org"
x.example.org. MX 1 a\000b.example.org.
x.example.org. MX 2 c\032d.example.org.
1.2.0.192.in-addr.arpa. PTR e\010f.example.org.
alias.example.org. CNAME g\000h.example.org.
g\000h.example.org. TXT "v=spf1 ip4:192.0.2.1 -all"
`)
	if got := r.SPF(t.Context(), addr("192.0.2.1"), "", "ann@x.example.org"); got.Result != rules.SPFPermError || !isPrintable(got.Why) {
		t.Errorf("%+v", got)
	}
	if got := r.SPF(t.Context(), addr("192.0.2.1"), "", "ann@alias.example.org"); got.Result != rules.SPFPass || got.Provider != "example.org" {
		t.Errorf("an alias is followed by its name only: %+v", got)
	}
	for _, sender := range []string{"a@\x00.example.org", "a@..", "a@" + strings.Repeat("é.", 1000), "a@x.example.org\r\n", "@", "a@%{d}.org", "a@x/y.org"} {
		if got := r.SPF(t.Context(), addr("192.0.2.1"), "", sender); got.Result != rules.SPFNone || !isPrintable(got.Why) {
			t.Errorf("%.40q: %+v", sender, got)
		}
	}
	if n := s.Asked("y", "TXT"); n != 0 {
		t.Error("a name that no host has was asked for")
	}
}

// The domain of each message is another one.
func TestRandomDomains(t *testing.T) {
	s, _ := serve(t, `*.example.org. TXT "v=spf1 include:%{i}.%{l}.x.example.org -all"`)
	const entries = 50
	r := resolver(t, Options{Servers: []string{s.Address()}, CacheEntries: entries})
	b := make([]byte, 4)
	for i := range 500 {
		binary.BigEndian.PutUint32(b, uint32(i))
		sender := fmt.Sprintf("%x@%x.example.org", b, b)
		if got := r.SPF(t.Context(), addr("192.0.2.1"), "", sender); got.Result != rules.SPFPermError {
			t.Fatal(got)
		}
		r.Listed(t.Context(), addr(fmt.Sprintf("2001:db8::%x", i)), "list.example.net")
	}
	if n := r.cache.recent.Len(); n > entries {
		t.Errorf("%d entries", n)
	}
}
