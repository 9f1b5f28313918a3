package rules

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gaissmai/bart"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/problem"
)

// networks is a set of address prefixes. Looking an address up costs the same
// however many there are.
type networks struct{ table bart.Lite }

func (n *networks) insert(p netip.Prefix) { n.table.Insert(p) }

// find returns the longest prefix of the set that holds the address.
func (n *networks) find(addr netip.Addr) (netip.Prefix, bool) {
	if !n.table.Contains(addr) {
		return netip.Prefix{}, false
	}
	return n.table.LookupPrefixLPM(netip.PrefixFrom(addr, addr.BitLen()))
}

// triple is an entry of whitelisted_triples or whitelisted_nonstandard_triples, but for its
// prefix. It has a sender in the one, and a folded HELO name in the other.
type triple struct {
	helo              string
	sender, recipient address.Patterns
}

// triples holds the entries of one of these lists.
type triples struct{ table bart.Table[[]triple] }

// add adds an entry.
func (t *triples) add(prefix string, e triple, recipient string) error {
	p, err := address.ParsePrefix(prefix)
	if err != nil {
		return err
	}
	if e.recipient, err = address.ParsePatterns(address.Recipients, recipient); err != nil {
		return err
	}
	t.table.Modify(p, func(entries []triple, _ bool) ([]triple, bool) { return append(entries, e), false })
	return nil
}

// find returns an entry that matches, among those whose prefix holds the address.
func (t *triples) find(addr netip.Addr, matches func(*triple) bool) (netip.Prefix, *triple) {
	if !t.table.Contains(addr) {
		return netip.Prefix{}, nil
	}
	for prefix, entries := range t.table.Supernets(netip.PrefixFrom(addr, addr.BitLen())) {
		for i := range entries {
			if matches(&entries[i]) {
				return prefix, &entries[i]
			}
		}
	}
	return netip.Prefix{}, nil
}

func (s *Set) addTriple(entry []string) error {
	if len(entry) != 3 {
		return problem.New("write [client address or prefix, sender, recipient]", "%d values", len(entry))
	}
	sender, err := address.ParsePatterns(address.Senders, entry[1])
	if err != nil {
		return err
	}
	return s.triples.add(entry[0], triple{sender: sender}, entry[2])
}

func (s *Set) whitelistedTriple(f *Facts) (*Ruling, string) {
	const none = "no entry of whitelisted_triples matches"
	addr, ok := f.Client.Addr()
	if !ok {
		return nil, none
	}
	var sender, recipient string
	prefix, found := s.triples.find(addr, func(t *triple) bool {
		var ok1, ok2 bool
		sender, ok1 = t.sender.Match(f.Sender)
		recipient, ok2 = t.recipient.Match(f.Recipient)
		return ok1 && ok2
	})
	if found == nil {
		return nil, none
	}
	return accept(greylist.ReasonWhitelistedTriple, fmt.Sprintf("[%s, %s, %s] is whitelisted", prefix, sender, recipient))
}

func (s *Set) addNonstandard(entry []string) error {
	if len(entry) != 3 {
		return problem.New("write [HELO name, client address or prefix, recipient]", "%d values", len(entry))
	}
	helo := foldHelo(entry[0])
	if helo == "" || helo == "*" {
		return problem.Of(entry[0], "to allow any name, use whitelisted_triples", "is not a HELO name")
	}
	return s.nonstandard.add(entry[1], triple{helo: helo}, entry[2])
}

// foldHelo brings a HELO name into the form in which names are compared. Like
// domains, they compare without case (RFC 5321, section 2.3.5).
func foldHelo(s string) string { return address.Domain(strings.TrimSpace(s)) }

func (s *Set) whitelistedNonstandard(f *Facts) (*Ruling, string) {
	const none = "no entry of whitelisted_nonstandard_triples matches"
	addr, ok := f.Client.Addr()
	if !ok || f.Helo == "" {
		return nil, none
	}
	helo := foldHelo(f.Helo)
	var recipient string
	prefix, found := s.nonstandard.find(addr, func(t *triple) bool {
		var ok bool
		recipient, ok = t.recipient.Match(f.Recipient)
		return ok && t.helo == helo
	})
	if found == nil {
		return nil, none
	}
	return accept(greylist.ReasonWhitelistedNonstandard, fmt.Sprintf("[%s, %s, %s] is whitelisted", found.helo, prefix, recipient))
}
