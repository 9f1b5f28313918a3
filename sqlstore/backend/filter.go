package backend

import (
	"iter"
	"slices"
	"strings"

	"greyglass/greylist"
)

// The filter of a block is split into parts. An item is in the part that its hash says, so
// that a search reads one part of each block. A part has a Bloom filter for each piece of the
// block, all of one size: a recipient that most blocks have is only in some of their pieces.
// With 12 bits and 8 hashes for an item, of 300 pieces without an item one seems to have it.
// Databases contain filters made by what is in this file: a change of it needs a step of the
// schema that removes the blocks.
const (
	filterParts  = 64
	filterPieces = 8
	filterBits   = 12
	filterHashes = 8
)

// pieces yields the pieces of a block.
func (r idRange) pieces() iter.Seq2[int, idRange] {
	return func(yield func(int, idRange) bool) {
		for i := range filterPieces {
			piece := idRange{r.first + int64(i)*r.pieceIDs(), min(r.first+int64(i+1)*r.pieceIDs()-1, r.last)}
			if piece.first > piece.last || !yield(i, piece) {
				return
			}
		}
	}
}

// pieceIDs is how many ids a piece has; the last may have fewer.
func (r idRange) pieceIDs() int64 { return (r.last-r.first)/filterPieces + 1 }

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

// itemOf hashes a text (FNV-1a, 64 bits, with MurmurHash3's finalizer).
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

// positions are the bits of the item in a Bloom filter of a size in octets.
func (x item) positions(size int) (all [filterHashes]uint64) {
	at, step := uint64(x)&0xffffffff, uint64(x)>>26|1
	for i := range all {
		all[i] = at % uint64(8*size)
		at += step
	}
	return all
}

// in reports whether the item may be in a piece of the block with this part of the filter.
func (x item) in(piece int, part []byte) bool {
	size := len(part) / filterPieces
	if size == 0 {
		return false
	}
	bits := part[piece*size:][:size]
	for _, at := range x.positions(size) {
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
type filterItems [filterParts][]itemOfRow

type itemOfRow struct {
	id   int64 // of the row
	item item
}

func (f *filterItems) add(id int64, t greylist.Triplet) {
	put := func(kind byte, text string) {
		x := itemOf(kind, text)
		f[x.part()] = append(f[x.part()], itemOfRow{id, x})
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

// bits makes the parts of the filter of a block.
func (f *filterItems) bits(block idRange) (parts [filterParts][]byte) {
	for i, rows := range f {
		var pieces [filterPieces][]item
		for _, x := range rows {
			n := (x.id - block.first) / block.pieceIDs()
			pieces[n] = append(pieces[n], x.item)
		}
		most := 0 // items of a piece
		for n, items := range pieces {
			slices.Sort(items)
			pieces[n] = slices.Compact(items)
			most = max(most, len(pieces[n]))
		}
		size := (most*filterBits + 7) / 8
		parts[i] = make([]byte, filterPieces*size)
		for n, items := range pieces {
			bits := parts[i][n*size:][:size]
			for _, x := range items {
				for _, at := range x.positions(size) {
					bits[at/8] |= 1 << (at % 8)
				}
			}
		}
	}
	return parts
}
