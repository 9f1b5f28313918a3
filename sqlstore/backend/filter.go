package backend

import (
	"slices"
	"strings"

	"greyglass/greylist"
)

// A filter is split into parts, each a Bloom filter of its own. An item is in the part that
// its hash says, so that a search reads one part of each block. With 12 bits and 8 hashes for
// an item, of 300 blocks without an item one seems to have it.
const (
	filterParts  = 64
	filterBits   = 12
	filterHashes = 8
)

// item is the hash of something by which triplets are searched.
type item uint64

// The kinds of items. A domain stands for itself and its subdomains.
const (
	itemClient          = 'c'
	itemSender          = 's'
	itemRecipient       = 'r'
	itemSenderDomain    = 'S'
	itemRecipientDomain = 'R'
	itemRecipientLocal  = 'l'
)

// itemOf hashes a text (FNV-1a, 64 bits, with MurmurHash3's finalizer). Databases contain
// these hashes, so it never changes.
func itemOf(kind byte, text string) item {
	const offset, prime = 14695981039346656037, 1099511628211
	h := (uint64(offset) ^ uint64(kind)) * prime
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * prime
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return item(h ^ h>>33)
}

func (x item) part() int { return int(x >> 58) }

// positions are the bits of the item in a part of a size in octets.
func (x item) positions(size int) (all [filterHashes]uint64) {
	at, step := uint64(x)&0xffffffff, uint64(x)>>26|1
	for i := range all {
		all[i] = at % uint64(8*size)
		at += step
	}
	return all
}

// in reports whether the item may be in a part.
func (x item) in(bits []byte) bool {
	if len(bits) == 0 {
		return false
	}
	for _, at := range x.positions(len(bits)) {
		if bits[at/8]&(1<<(at%8)) == 0 {
			return false
		}
	}
	return true
}

// mostLabels bounds the items of a domain; of a longer one only the last labels count.
const mostLabels = 6

// domainsOf yields a domain and the domains above it.
func domainsOf(domain string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for domain = shortDomain(domain); domain != ""; _, domain, _ = strings.Cut(domain, ".") {
			if !yield(domain) {
				return
			}
		}
	}
}

// shortDomain is a domain without the labels that do not count.
func shortDomain(domain string) string {
	for strings.Count(domain, ".") >= mostLabels {
		_, domain, _ = strings.Cut(domain, ".")
	}
	return domain
}

// cutAddress splits a folded address.
func cutAddress(folded string) (local, domain string) {
	if i := strings.LastIndexByte(folded, '@'); i >= 0 {
		return folded[:i], folded[i+1:]
	}
	return folded, ""
}

// filterItems are the items of a block, by part.
type filterItems [filterParts][]item

func (f *filterItems) add(t greylist.Triplet) {
	put := func(kind byte, text string) {
		x := itemOf(kind, text)
		f[x.part()] = append(f[x.part()], x)
	}
	put(itemClient, t.Client)
	put(itemSender, t.Sender)
	put(itemRecipient, t.Recipient)
	_, domain := cutAddress(t.Sender)
	for d := range domainsOf(domain) {
		put(itemSenderDomain, d)
	}
	local, domain := cutAddress(t.Recipient)
	put(itemRecipientLocal, local)
	for d := range domainsOf(domain) {
		put(itemRecipientDomain, d)
	}
}

// bits makes the parts of the filter.
func (f *filterItems) bits() (parts [filterParts][]byte) {
	for i, items := range f {
		slices.Sort(items)
		items = slices.Compact(items)
		bits := make([]byte, (len(items)*filterBits+7)/8)
		for _, x := range items {
			for _, at := range x.positions(len(bits)) {
				bits[at/8] |= 1 << (at % 8)
			}
		}
		parts[i] = bits
	}
	return parts
}
