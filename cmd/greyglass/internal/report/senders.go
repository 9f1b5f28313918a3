package report

import (
	"cmp"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"greyglass/greylist"
)

// MaxRecords is how many triplets, the newest, are counted for [Senders]. It bounds the
// time to about a second, and the memory to some dozens of megabytes.
const MaxRecords = 100_000

// Sender has the counts of a sending domain or network.
type Sender struct {
	Name      string `json:"name"`      // a domain, or an address prefix
	Addresses int    `json:"addresses"` // that it has sent from
	Triplets  int64  `json:"triplets"`
	Passed    int64  `json:"passed"`   // of these
	Deferred  int64  `json:"deferred"` // answers

	// Moved counts the pairs of sender and recipient that came from more than one
	// address of a network: from a pool of mail servers, so that one message waits
	// again for each address.
	Moved int64 `json:"moved"`
}

// Senders are the senders that wait most, the worst first.
type Senders struct {
	Records  int      `json:"records"`  // number of triplets counted
	Domains  []Sender `json:"domains"`  // by how often they were deferred
	Networks []Sender `json:"networks"` // by how often a message moved from one address to another
}

// Pooled is from how many addresses mail comes that is a pool's.
const Pooled = 4

// The usual prefix lengths of a pool of mail servers.
const (
	poolIPv4 = 24
	poolIPv6 = 48
)

// counted is a [Sender] that is being counted.
type counted struct {
	Sender
	clients map[string]bool
}

// pair is a sender and a recipient, as tried from one network.
type pair struct{ network, sender, recipient string }

// SendersOf counts the triplets of which mail came in a time, and returns the given number of
// domains and of networks.
func SendersOf(records iter.Seq2[greylist.Record, error], in Time, most int) (s Senders, err error) {
	domains, networks := make(map[string]*counted), make(map[string]*counted)
	from := make(map[pair]string) // the first client, or "" once it is counted as moved
	for r, err := range records {
		if err != nil {
			return Senders{}, err
		}
		s.Records++
		if !in.saw(r) {
			continue
		}
		if at := strings.LastIndexByte(r.Sender, '@'); at >= 0 {
			add(domains, r.Sender[at+1:], r)
		}
		network := NetworkOf(r.Client)
		pool := add(networks, network, r)
		p := pair{network, r.Sender, r.Recipient}
		switch client, known := from[p]; {
		case !known:
			from[p] = r.Client
		case client != "" && client != r.Client:
			from[p] = ""
			pool.Moved++
		}
	}
	s.Domains = worst(domains, most, func(s *counted) int64 { return s.Deferred })
	s.Networks = worst(networks, most, func(s *counted) int64 { return s.Moved })
	return s, nil
}

func add(all map[string]*counted, name string, r greylist.Record) *counted {
	s := all[name]
	if s == nil {
		s = &counted{Sender: Sender{Name: name}, clients: make(map[string]bool)}
		all[name] = s
	}
	s.clients[r.Client] = true
	s.Triplets++
	s.Deferred += r.Deferred
	if r.Passed() {
		s.Passed++
	}
	return s
}

// NetworkOf returns the network of a stored client.
func NetworkOf(client string) string {
	addr, err := netip.ParseAddr(client)
	if err != nil {
		p, err := netip.ParsePrefix(client)
		if err != nil {
			return client
		}
		addr = p.Addr()
		if p.Bits() <= poolBits(addr) {
			return client
		}
	}
	p, err := addr.Prefix(poolBits(addr))
	if err != nil {
		return client
	}
	return p.String()
}

func poolBits(addr netip.Addr) int {
	if addr.Is4() {
		return poolIPv4
	}
	return poolIPv6
}

// worst returns the senders with the most of something, if they have any; of equal ones,
// those that were deferred more often first.
func worst(all map[string]*counted, most int, of func(*counted) int64) []Sender {
	sorted := slices.DeleteFunc(slices.Collect(maps.Values(all)), func(s *counted) bool { return of(s) == 0 })
	slices.SortFunc(sorted, func(a, b *counted) int {
		return cmp.Or(cmp.Compare(of(b), of(a)), cmp.Compare(b.Deferred, a.Deferred), cmp.Compare(a.Name, b.Name))
	})
	senders := make([]Sender, 0, most)
	for _, s := range sorted[:min(most, len(sorted))] {
		s.Addresses = len(s.clients)
		senders = append(senders, s.Sender)
	}
	return senders
}
