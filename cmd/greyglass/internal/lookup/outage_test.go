package lookup

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"greyglass/e2e/nameserver"
)

// The log has one line when DNS fails and one when it works again, however many
// look-ups fail, and none for a domain that fails alone.
func TestOutageIsLogged(t *testing.T) {
	s, _ := serve(t, "*.example.org. A 127.0.0.2")
	s.Behave("broken.example.org", nameserver.Code(dns.RcodeServerFailure))
	clock := newClock()
	r := resolver(t, Options{Servers: []string{s.Address()}, Now: clock.Now})
	var log bytes.Buffer
	r.LogTo(slog.New(slog.NewTextHandler(&log, nil)))
	n := 0
	ask := func(times int) {
		for range times {
			n++
			r.ask(t.Context(), fmt.Sprintf("%d.example.org", n), dns.TypeA)
		}
	}
	logged := func(when string, want ...string) {
		t.Helper()
		lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
		if log.Len() == 0 {
			lines = nil
		}
		same := len(lines) == len(want)
		for i := range lines {
			same = same && strings.Contains(lines[i], want[i])
		}
		if !same {
			t.Errorf("%s: logged\n%s", when, log.String())
		}
	}
	const fails, works = `level=WARN msg="DNS fails; rules that ask it do not match" error="lookup `, `level=INFO msg="DNS works again" after=2m0s failed_queries=23`
	for range 10 {
		r.ask(t.Context(), "broken.example.org", dns.TypeA)
		clock.pass(failureTTL)
	}
	logged("one domain fails")
	ask(1)
	s.Behave("*", nameserver.Code(dns.RcodeServerFailure))
	ask(2)
	logged("two names fail")
	ask(21)
	logged("all fail", fails)
	if r.Failing().IsZero() {
		t.Error("it is not said that DNS fails")
	}
	s.Behave("*", nil)
	ask(3)
	logged("it works for a moment", fails)
	clock.pass(2 * time.Minute)
	ask(3)
	logged("it works", fails, works)
	if since := r.Failing(); !since.IsZero() {
		t.Errorf("DNS is said to fail since %v", since)
	}
	s.Behave("*", nameserver.Code(dns.RcodeServerFailure))
	ask(5)
	logged("it fails again", fails, works, fails)
}
