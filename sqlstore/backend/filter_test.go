package backend

import (
	"fmt"
	"testing"

	"greyglass/greylist"
)

// TestFilter: all that is in a block is found, and hardly anything else.
func TestFilter(t *testing.T) {
	numbered := func(n int) greylist.Triplet {
		return greylist.Triplet{Client: fmt.Sprintf("192.0.2.%d", n%256), Sender: fmt.Sprintf("s%d@a.b.c.d.e.f.g%d.example", n, n%99), Recipient: fmt.Sprintf("r%d@x%d.example.org", n, n)}
	}
	var items filterItems
	for n := range BlockTriplets {
		items.add(numbered(n))
	}
	parts := items.bits()
	has := func(f greylist.Filter) bool {
		for _, group := range wanted(f) {
			found := false
			for _, x := range group {
				found = found || x.in(parts[x.part()])
			}
			if !found {
				return false
			}
		}
		return true
	}
	for n := range BlockTriplets {
		r := numbered(n)
		for _, f := range []greylist.Filter{
			{Client: r.Client}, {Senders: []string{"x", r.Sender}}, {Recipients: []string{r.Recipient}}, {Client: r.Client, Senders: []string{r.Sender}},
			{SenderEnds: fmt.Sprintf("@a.b.c.d.e.f.g%d.example", n%99)}, {SenderEnds: fmt.Sprintf(".g%d.example", n%99)}, {SenderEnds: "xample"},
			{RecipientEnds: fmt.Sprintf("@x%d.example.org", n)}, {RecipientEnds: fmt.Sprintf("%d.example.org", n)}, {RecipientLocal: fmt.Sprintf("r%d", n)},
			{EitherDomain: fmt.Sprintf("x%d.example.org", n)}, {EitherDomain: fmt.Sprintf("b.c.d.e.f.g%d.example", n%99)},
		} {
			if !has(f) {
				t.Fatalf("%+v is not found", f)
			}
		}
	}
	found, size := 0, 0
	for n := range BlockTriplets {
		if has(greylist.Filter{Senders: []string{fmt.Sprintf("other%d@example.net", n)}}) {
			found++
		}
	}
	for _, bits := range parts {
		size += len(bits)
	}
	if found > BlockTriplets/100 || size > 15*BlockTriplets {
		t.Errorf("%d of %d others seem to be there; %d octets", found, BlockTriplets, size)
	}
	for _, c := range []struct{ end, domain string }{
		{"@example.net", "example.net"}, {".example.net", "example.net"}, {"ample.net", "net"}, {"n@net", "net"}, {"net", ""}, {"", ""},
		{"@1.2.3.4.5.6.7", "2.3.4.5.6.7"},
	} {
		if got := domainOfEnd(c.end); got != c.domain {
			t.Errorf("%q ends a domain of %q, want %q", c.end, got, c.domain)
		}
	}
}
