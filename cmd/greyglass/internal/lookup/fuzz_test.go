package lookup

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"greyglass/greylist/rules"
)

// packets is a resolver whose answers are what the test says.
func packets(t *testing.T, answer func(query *dns.Msg) []byte) *Resolver {
	t.Helper()
	r := resolver(t, Options{Servers: []string{"127.0.0.1"}, Timeout: 10 * time.Second, CacheEntries: 100})
	r.send = func(_ context.Context, _, _ string, query *dns.Msg) (*dns.Msg, error) {
		m, err := parse(answer(query), query)
		if err != nil { // after which another would be waited for
			err = failedAnswer(dns.RcodeServerFailure)
		}
		return m, err
	}
	return r
}

// SPF of any record has one of the results of RFC 7208 in bounded time, a
// printable reason, and a provider only if it passes.
func FuzzSPF(f *testing.F) {
	f.Add("v=spf1 ip4:192.0.2.0/24 include:b.example.org -all", "v=spf1 exists:%{ir}.%{l}.example.org", "192.0.2.1", "ann@a.example.org")
	f.Add("v=spf1 redirect=b.example.org", "v=spf1 a/0 mx//0 ptr:%{o} +all", "2001:db8::1", "<>")
	f.Add("v=spf1 include:b.example.org exp=x ip6:::/0", "v=spf1 include:b.example.org", "198.51.100.1", "@a.example.org")
	f.Fuzz(func(t *testing.T, one, two, client, sender string) {
		from, err := netip.ParseAddr(client)
		if err != nil {
			return
		}
		texts := map[string]string{"a.example.org.": one, "b.example.org.": two}
		r := packets(t, func(query *dns.Msg) []byte {
			m := new(dns.Msg).SetReply(query)
			m.RecursionAvailable = true
			q := query.Question[0]
			header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 60}
			switch text, ok := texts[q.Name]; {
			case q.Qtype == dns.TypeA:
				m.Answer = append(m.Answer, &dns.A{Hdr: header, A: []byte{192, 0, 2, 1}})
			case q.Qtype == dns.TypeMX:
				m.Answer = append(m.Answer, &dns.MX{Hdr: header, Mx: "a.example.org."})
			case q.Qtype == dns.TypePTR:
				m.Answer = append(m.Answer, &dns.PTR{Hdr: header, Ptr: "b.example.org."})
			case q.Qtype == dns.TypeTXT && ok:
				var parts []string
				for ; len(text) > 255; text = text[255:] {
					parts = append(parts, text[:255])
				}
				m.Answer = append(m.Answer, &dns.TXT{Hdr: header, Txt: append(parts, text)})
			}
			packet, err := m.Pack()
			if err != nil {
				return nil
			}
			return packet
		})
		start := time.Now()
		got := r.SPF(t.Context(), from, "a.example.org", sender)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		switch got.Result {
		case rules.SPFPass:
		case rules.SPFFail, rules.SPFSoftFail, rules.SPFNeutral, rules.SPFNone, rules.SPFTempError, rules.SPFPermError:
			if got.Provider != "" {
				t.Errorf("%+v", got)
			}
		default:
			t.Errorf("%+v", got)
		}
		if !isPrintable(got.Why) {
			t.Errorf("the reason is not printable: %q", got.Why)
		}
		c := &spfCheck{resolver: r, client: from.Unmap().WithZone(""), domain: "a.example.org", sender: "ann@a.example.org"}
		if byAddress, passes := c.byAddress(t.Context()); passes {
			c.records = nil
			if byLibrary := c.run(t.Context()); byAddress != byLibrary {
				t.Errorf("%+v; the library says %+v", byAddress, byLibrary)
			}
		}
		if again := r.SPF(t.Context(), from, "a.example.org", sender); again != got {
			t.Errorf("%+v, and then %+v", got, again)
		}
	})
}

// Any octets that a server sends are read in bounded time, and a list has a
// client only by addresses that lists answer with.
func FuzzListAnswer(f *testing.F) {
	query := new(dns.Msg).SetQuestion("7.2.0.192.bl.example.net.", dns.TypeA)
	for _, records := range []string{
		"7.2.0.192.bl.example.net. A 127.0.0.2",
		"7.2.0.192.bl.example.net. A 127.255.255.254",
		"7.2.0.192.bl.example.net. CNAME 7.2.0.192.bl.example.net.",
		"7.2.0.192.bl.example.net. CNAME x.\nx. A 10.0.0.1",
	} {
		m := new(dns.Msg).SetReply(query)
		for line := range strings.Lines(records) {
			rr, err := dns.NewRR(line)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		m.Compress = true
		packet, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet[2:])
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		if len(packet) > maxMessage {
			return
		}
		r := packets(t, func(query *dns.Msg) []byte {
			return append([]byte{byte(query.Id >> 8), byte(query.Id)}, packet...)
		})
		got := r.Listed(t.Context(), addr("192.0.2.7"), "bl.example.net")
		if !isPrintable(got.Why) {
			t.Errorf("%+v", got)
		}
		if got.Status == rules.InList && !strings.HasPrefix(got.Why, "127.") {
			t.Errorf("%+v", got)
		}
	})
}
