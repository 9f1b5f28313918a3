package lookup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"greyglass/e2e/nameserver"
)

func TestAnswersExpire(t *testing.T) {
	const soa = "example.org. 500 SOA ns.example.org. root.example.org. 1 2 3 4 "
	for _, c := range []struct {
		name    string
		answer  string // a zone file's line
		soa     string // that comes with an answer without records
		want    time.Duration
		failing nameserver.Behaviour
	}{
		{name: "as long as it says", answer: "x.example.org. 100 A 127.0.0.2", want: 100 * time.Second},
		{name: "at least", answer: "x.example.org. 0 A 127.0.0.2", want: minTTL},
		{name: "at most", answer: "x.example.org. 604800 A 127.0.0.2", want: maxTTL},
		{name: "the shortest", answer: "x.example.org. 100 A 127.0.0.2\nx.example.org. 70 A 127.0.0.3", want: 70 * time.Second},
		{name: "an alias too", answer: "x.example.org. 50 CNAME y.example.org.\ny.example.org. 100 A 127.0.0.3", want: 50 * time.Second},
		{name: "no such name", want: unstatedTTL},
		{name: "no such name, as the zone says", soa: soa + "90", want: 90 * time.Second},
		{name: "no such name, by the record's own time", soa: soa + "900", want: 500 * time.Second},
		{name: "no such name, at most", soa: strings.Replace(soa, "500", "5000", 1) + "5000", want: maxNoTTL},
		{name: "no such name, at least", soa: soa + "0", want: minTTL},
		{name: "no such record", answer: "x.example.org. 100 MX 1 y.example.org.", soa: soa + "90", want: 90 * time.Second},
		{name: "a failure", failing: nameserver.Code(dns.RcodeServerFailure), want: failureTTL},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := serve(t, c.answer)
			s.Behave("*", func(w dns.ResponseWriter, query, answer *dns.Msg) bool {
				if c.soa != "" {
					rr, err := dns.NewRR(c.soa)
					if err != nil {
						t.Error(err)
					}
					answer.Ns = append(answer.Ns, rr)
				}
				return c.failing != nil && c.failing(w, query, answer)
			})
			clock := newClock()
			r := resolver(t, Options{Servers: []string{s.Address()}, Now: clock.Now})
			ask := func() int {
				r.ask(t.Context(), "x.example.org", dns.TypeA)
				return s.Asked("x.example.org", "A")
			}
			first := ask()
			clock.pass(c.want - time.Millisecond)
			if n := ask(); n != first {
				t.Errorf("asked again before %v", c.want)
			}
			clock.pass(time.Millisecond)
			if n := ask(); n == first {
				t.Errorf("not asked again after %v", c.want)
			}
		})
	}
}

// Callers that ask the same at one time share one query. One that leaves does
// not end it for the others.
func TestSharedQuery(t *testing.T) {
	s, r := serve(t, "x.example.org. A 127.0.0.2")
	release := make(chan struct{})
	s.Behave("x.example.org", func(dns.ResponseWriter, *dns.Msg, *dns.Msg) bool {
		<-release
		return false
	})
	r.timeout = time.Minute // so that nothing is asked twice
	leaving, leave := context.WithCancel(t.Context())
	left := make(chan answer)
	go func() { left <- r.ask(leaving, "x.example.org", dns.TypeA) }()
	for s.Asked("", "") == 0 {
		runtime.Gosched()
	}
	var waiting sync.WaitGroup
	for range 50 {
		waiting.Go(func() {
			if a := r.ask(t.Context(), "X.Example.ORG.", dns.TypeA); a.err != nil || len(a.addrs) != 1 {
				t.Errorf("%+v", a)
			}
		})
	}
	leave()
	if a := <-left; a.err == nil || isNotFound(a.err) {
		t.Errorf("who leaves is told %+v", a)
	}
	close(release)
	waiting.Wait()
	if n := s.Asked("", ""); n != 1 {
		t.Errorf("%d queries; want 1", n)
	}
}

func TestServers(t *testing.T) {
	silent, _ := serve(t, "")
	silent.Behave("*", nameserver.Silent)
	failing, _ := serve(t, "")
	failing.Behave("*", nameserver.Code(dns.RcodeRefused))
	closed, _ := serve(t, "")
	closed.Close()
	right, _ := serve(t, "x.example.org. A 127.0.0.2\ny.example.org. A 127.0.0.2")
	for _, c := range []struct {
		name   string
		before *nameserver.Server
	}{{"silent", silent}, {"failing", failing}, {"closed", closed}} {
		t.Run(c.name, func(t *testing.T) {
			r := resolver(t, Options{Servers: []string{c.before.Address(), right.Address()}, Timeout: 5 * time.Second})
			for _, name := range []string{"x.example.org", "y.example.org"} {
				if a := r.ask(t.Context(), name, dns.TypeA); a.err != nil {
					t.Errorf("%s: %v", name, a.err)
				}
			}
			if n := c.before.Asked("y.example.org", "A"); n != 0 {
				t.Error("the server that does not answer is asked first again")
			}
		})
	}
	t.Run("all fail", func(t *testing.T) {
		r := resolver(t, Options{Servers: []string{failing.Address()}, Timeout: time.Minute})
		start := time.Now()
		a := r.ask(t.Context(), "z.example.org", dns.TypeA)
		if a.err == nil || isNotFound(a.err) || !strings.Contains(a.err.Error(), "REFUSED") || time.Since(start) > 10*time.Second {
			t.Errorf("%v after %v", a.err, time.Since(start))
		}
	})
}

// A datagram that is lost costs one interval and not the answer.
func TestLostDatagram(t *testing.T) {
	s, r := serve(t, "x.example.org. A 127.0.0.2")
	var once sync.Once
	s.Behave("*", func(dns.ResponseWriter, *dns.Msg, *dns.Msg) (lost bool) {
		once.Do(func() { lost = true })
		return lost
	})
	r.timeout = 2 * time.Second
	if a := r.ask(t.Context(), "x.example.org", dns.TypeA); a.err != nil {
		t.Error(a.err)
	}
}

func TestLongAnswerByTCP(t *testing.T) {
	var zone strings.Builder
	for i := range 100 {
		fmt.Fprintf(&zone, "x.example.org. A 10.0.0.%d\n", i)
	}
	_, r := serve(t, zone.String())
	if a := r.ask(t.Context(), "x.example.org", dns.TypeA); len(a.addrs) != 100 || a.err != nil {
		t.Errorf("%d addresses, %v", len(a.addrs), a.err)
	}
}

// Some servers fill the datagram, and cut the last record of a truncated answer: that too is
// asked for by TCP (RFC 2181, section 9).
func TestCutAnswerByTCP(t *testing.T) {
	s, r := serve(t, "x.example.org. A 127.0.0.2")
	s.Behave("*", func(w dns.ResponseWriter, _, answer *dns.Msg) bool {
		if w.LocalAddr().Network() != "udp" {
			return false
		}
		answer.Truncated = true
		packet, err := answer.Pack()
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(packet[:len(packet)-2])
		return true
	})
	if a := r.ask(t.Context(), "x.example.org", dns.TypeA); len(a.addrs) != 1 || a.err != nil {
		t.Errorf("%v, %v", a.addrs, a.err)
	}
}

func TestParseServer(t *testing.T) {
	for s, want := range map[string]string{
		"192.0.2.53":          "192.0.2.53:53",
		"192.0.2.53:5353":     "192.0.2.53:5353",
		"2001:db8::53":        "[2001:db8::53]:53",
		"[2001:db8::53]:5353": "[2001:db8::53]:5353",
		"":                    "",
		"ns.example.org":      "",
		"192.0.2.53:0":        "",
		"192.0.2.53:dns":      "",
	} {
		if got, err := ParseServer(s); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
	if _, err := New(Options{Servers: []string{"localhost"}}); err == nil {
		t.Error("a server by its name is taken")
	}
}

func TestSystemServers(t *testing.T) {
	clock := newClock()
	s := &systemServers{file: filepath.Join(t.TempDir(), "resolv.conf"), now: clock.Now}
	expect := func(want string) {
		t.Helper()
		if got := strings.Join(s.list(), " "); got != want {
			t.Errorf("the servers are %s; want %s", got, want)
		}
	}
	write := func(text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(s.file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(s.file, time.Time{}, clock.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	expect("127.0.0.1:53")
	write("# none yet\nnameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch example.org\n", 0)
	expect("127.0.0.1:53")
	clock.pass(rereadAfter)
	expect("192.0.2.1:53 [2001:db8::1]:53")
	write("nameserver 192.0.2.2", time.Hour) // older, from a backup
	clock.pass(rereadAfter)
	expect("192.0.2.2:53")
	if err := os.Remove(s.file); err != nil {
		t.Fatal(err)
	}
	clock.pass(rereadAfter)
	expect("127.0.0.1:53")
}

// Names that clients choose fill neither the memory nor make it forget what is
// in use.
func TestCacheIsBounded(t *testing.T) {
	long := strings.Repeat("x", 250)
	s, _ := serve(t, "*.many.example.org. TXT \"v=spf1 exp="+long+"\" \" exp="+long+"\" \" exp="+long+"\" \" -all\"\nkept.example.org. A 127.0.0.2")
	const entries = 100
	r := resolver(t, Options{Servers: []string{s.Address()}, CacheEntries: entries})
	for i := range 10 * entries {
		r.ask(t.Context(), fmt.Sprintf("%d.many.example.org", i), dns.TypeTXT)
		r.ask(t.Context(), fmt.Sprintf("%d.none.example.org", i), dns.TypeA)
		r.ask(t.Context(), "kept.example.org", dns.TypeA)
		if n := r.cache.recent.Len(); n > entries || n != len(r.cache.entries) || r.cache.octets > entries*OctetsPerEntry {
			t.Fatalf("%d entries, %d octets", n, r.cache.octets)
		}
	}
	if n := s.Asked("kept.example.org", "A"); n != 1 {
		t.Errorf("the name in use was asked for %d times", n)
	}
	total := 0
	for e := r.cache.recent.Front(); e != nil; e = r.cache.recent.Front() {
		total += e.Value.(*entry).octets
		r.cache.remove(e)
	}
	if total == 0 || r.cache.octets != 0 || len(r.cache.entries) != 0 {
		t.Errorf("the octets do not add up: %d are left of %d", r.cache.octets, total)
	}
}

// A flood of queries that are not answered takes a bounded number of sockets.
func TestQueriesAreBounded(t *testing.T) {
	s, _ := serve(t, "")
	s.Behave("*", nameserver.Silent)
	r := resolver(t, Options{Servers: []string{s.Address()}, Timeout: 300 * time.Millisecond})
	r.slots = make(chan struct{}, 4)
	var asking sync.WaitGroup
	for i := range 100 {
		asking.Go(func() {
			if a := r.ask(t.Context(), fmt.Sprintf("%d.example.org", i), dns.TypeA); a.err == nil || isNotFound(a.err) {
				t.Errorf("%+v", a)
			}
		})
	}
	asking.Wait()
	if n := s.Asked("", ""); n > 100 { // without a bound, each name is asked for several times
		t.Errorf("%d queries were sent", n)
	}
}

func TestCanonicalName(t *testing.T) {
	for name, want := range map[string]string{
		"Example.ORG.":                   "example.org",
		"_spf.example.org":               "_spf.example.org",
		"münchen.example":                "xn--mnchen-3ya.example",
		"":                               "",
		".":                              "",
		"a..b":                           "",
		".example.org":                   "",
		"a b.example.org":                "",
		"a\tb.example.org":               "",
		`a\b.example.org`:                "",
		"a\xffb.example.org":             "",
		strings.Repeat("a", 64) + ".org": "",
		strings.Repeat("abcdefg.", 31) + "abcdef": "",
		strings.Repeat("ü", 100000) + ".org":      "",
	} {
		if got, ok := canonicalName(name); ok != (want != "") || ok && got != want {
			t.Errorf("%.40q: %q, %v", name, got, ok)
		}
	}
}

func TestRegisteredDomain(t *testing.T) {
	for name, want := range map[string]string{
		"_netblocks2.google.com":    "google.com",
		"mx.example.co.uk":          "example.co.uk",
		"Example.ORG":               "example.org",
		"co.uk":                     "",
		"com":                       "",
		"192.0.2.1":                 "",
		"2001:db8::1":               "",
		"a.github.io":               "a.github.io",
		"github.io":                 "github.io",
		"mail.internal":             "mail.internal",
		"":                          "",
		"a.\x00.example.org":        "",
		"amazonses.com":             "amazonses.com",
		"x.eu-west-1.amazonses.com": "amazonses.com",
	} {
		if got := RegisteredDomain(name); got != want {
			t.Errorf("%q: %q; want %q", name, got, want)
		}
	}
}
