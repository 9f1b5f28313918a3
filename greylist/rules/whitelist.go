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

// networkTable holds the entries of a list that begin with an address prefix.
type networkTable[E any] struct{ table bart.Table[[]E] }

func (t *networkTable[E]) insert(p netip.Prefix, e E) {
	t.table.Modify(p, func(entries []E, _ bool) ([]E, bool) { return append(entries, e), false })
}

// find returns an entry that matches, among those whose prefix holds the address.
func (t *networkTable[E]) find(addr netip.Addr, matches func(*E) bool) (netip.Prefix, *E) {
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

// triple is an entry of whitelisted_triples, but for its prefix.
type triple struct{ sender, recipient address.Patterns }

func (r *Set) addTriple(entry []string) error {
	if len(entry) != 3 {
		return problem.New("write [client address or prefix, sender, recipient]", "%d values", len(entry))
	}
	prefix, err := address.ParsePrefix(entry[0])
	if err != nil {
		return err
	}
	sender, err := address.ParsePatterns(address.Senders, entry[1])
	if err != nil {
		return err
	}
	recipient, err := address.ParsePatterns(address.Recipients, entry[2])
	if err != nil {
		return err
	}
	r.triples.insert(prefix, triple{sender, recipient})
	return nil
}

func (r *Set) whitelistedTriple(k *Facts) (*Ruling, string) {
	const none = "no entry of whitelisted_triples matches"
	addr, ok := k.Client.Addr()
	if !ok {
		return nil, none
	}
	var sender, recipient string
	prefix, found := r.triples.find(addr, func(t *triple) bool {
		var ok1, ok2 bool
		sender, ok1 = t.sender.Match(k.Sender)
		recipient, ok2 = t.recipient.Match(k.Recipient)
		return ok1 && ok2
	})
	if found == nil {
		return nil, none
	}
	return accept(greylist.ReasonWhitelistedTriple, fmt.Sprintf("[%s, %s, %s] is whitelisted", prefix, sender, recipient))
}

// nonstandardTriple is an entry of whitelisted_nonstandard_triples, but for its prefix.
type nonstandardTriple struct {
	helo      string // folded
	recipient address.Patterns
}

func (r *Set) addNonstandard(entry []string) error {
	if len(entry) != 3 {
		return problem.New("write [HELO name, client address or prefix, recipient]", "%d values", len(entry))
	}
	helo := foldHelo(entry[0])
	if helo == "" || helo == "*" {
		return problem.Of(entry[0], "to allow any name, use whitelisted_triples", "is not a HELO name")
	}
	prefix, err := address.ParsePrefix(entry[1])
	if err != nil {
		return err
	}
	recipient, err := address.ParsePatterns(address.Recipients, entry[2])
	if err != nil {
		return err
	}
	r.nonstandard.insert(prefix, nonstandardTriple{helo, recipient})
	return nil
}

// foldHelo brings a HELO name into the form in which names are compared. Like
// domains, they compare without case (RFC 5321, section 2.3.5).
func foldHelo(s string) string { return address.Domain(strings.TrimSpace(s)) }

func (r *Set) whitelistedNonstandard(k *Facts) (*Ruling, string) {
	const none = "no entry of whitelisted_nonstandard_triples matches"
	addr, ok := k.Client.Addr()
	if !ok || k.Helo == "" {
		return nil, none
	}
	helo := foldHelo(k.Helo)
	var recipient string
	prefix, found := r.nonstandard.find(addr, func(t *nonstandardTriple) bool {
		var ok bool
		recipient, ok = t.recipient.Match(k.Recipient)
		return ok && t.helo == helo
	})
	if found == nil {
		return nil, none
	}
	return accept(greylist.ReasonWhitelistedNonstandard, fmt.Sprintf("[%s, %s, %s] is whitelisted", found.helo, prefix, recipient))
}
