package backend

import (
	"fmt"
	"testing"

	"greyglass/greylist"
)

// TestFilter: all that is in a piece of a block is found there, and hardly anything else.
func TestFilter(t *testing.T) {
	numbered := func(n int) greylist.Triplet {
		return greylist.Triplet{Client: fmt.Sprintf("192.0.2.%d", n%256), Sender: fmt.Sprintf("s%d@a.b.c.d.e.f.g%d.example", n, n%99), Recipient: fmt.Sprintf("r%d@x%d.example.org", n, n)}
	}
	const first, apart = 1001, 3 // ids; some rows have expired
	block := idRange{first, first + apart*(BlockTriplets-1) + 1}
	var items filterItems
	for n := range BlockTriplets {
		items.add(first+apart*int64(n), numbered(n))
	}
	parts := items.bits(block)
	ids := int64(0)
	for _, piece := range block.pieces() {
		if piece.first != block.first+ids {
			t.Errorf("%+v follows %d ids", piece, ids)
		}
		ids += piece.last - piece.first + 1
	}
	if ids != block.last-block.first+1 {
		t.Errorf("the pieces have %d ids of %+v", ids, block)
	}
	has := func(f greylist.Filter, piece int) bool {
		for _, group := range wanted(f) {
			found := false
			for _, x := range group {
				found = found || x.in(piece, parts[x.part()])
			}
			if !found {
				return false
			}
		}
		return true
	}
	for n := range BlockTriplets {
		r, in := numbered(n), -1
		for i, piece := range block.pieces() {
			if id := first + apart*int64(n); piece.first <= id && id <= piece.last {
				in = i
			}
		}
		for _, f := range []greylist.Filter{
			{Client: r.Client}, {Senders: []string{"x", r.Sender}}, {Recipients: []string{r.Recipient}}, {Client: r.Client, Senders: []string{r.Sender}},
			{SenderEnds: fmt.Sprintf("@a.b.c.d.e.f.g%d.example", n%99)}, {SenderEnds: fmt.Sprintf(".g%d.example", n%99)}, {SenderEnds: "xample"},
			{RecipientEnds: fmt.Sprintf("@x%d.example.org", n)}, {RecipientEnds: fmt.Sprintf("%d.example.org", n)}, {RecipientLocal: fmt.Sprintf("r%d", n)},
			{EitherDomain: fmt.Sprintf("x%d.example.org", n)}, {EitherDomain: fmt.Sprintf("b.c.d.e.f.g%d.example", n%99)},
		} {
			if !has(f, in) {
				t.Fatalf("%+v is not found in piece %d", f, in)
			}
		}
	}
	found, size := 0, 0
	for n := range BlockTriplets {
		for piece := range filterPieces {
			if has(greylist.Filter{Senders: []string{fmt.Sprintf("other%d@example.net", n)}}, piece) {
				found++
			}
		}
	}
	for _, bits := range parts {
		size += len(bits)
	}
	if found > filterPieces*BlockTriplets/100 || size > 18*BlockTriplets {
		t.Errorf("others seem to be there %d times of %d; %d octets", found, filterPieces*BlockTriplets, size)
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
