// Package importer reads what other greylisting programs remember, as the records that
// Greyglass would have of it.
package importer

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"strings"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// Peer says how the peer was run, as far as its memory depends on that and does not tell.
type Peer struct {
	Delay      int64 // seconds for which it defers what it does not know
	Keep       int64 // seconds for which it accepts what has passed
	IPv4, IPv6 int   // bits to which it cuts clients
}

func (p Peer) bitsOf(addr netip.Addr) int {
	if addr.Is4() {
		return p.IPv4
	}
	return p.IPv6
}

// Kind is a program whose memory can be read.
type Kind struct {
	Name string
	Peer Peer // as the program is by default

	read func(ctx context.Context, im *Import, yield func(entry)) error
	Why  string // it cannot be read
}

const hour, day = 3600, 24 * 3600

// Kinds are all programs that are known.
var Kinds = []Kind{
	{Name: "postgrey", Peer: Peer{Delay: 300, IPv4: 24, IPv6: 64}, read: readPostgrey},
	{Name: "sqlgrey", read: readSqlgrey},
	{Name: "milter-greylist", Peer: Peer{Delay: hour / 2, Keep: day}, read: readMilterGreylist},
	{Name: "spamd", Peer: Peer{Keep: 36 * day}, read: readSpamd},
	{Name: "rspamd", Why: "rspamd keeps hashes of its triplets, from which they cannot be read; nothing can be imported"},
}

// Find returns the kind with a name.
func Find(name string) (Kind, error) {
	var names []string
	for _, k := range Kinds {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return Kind{}, fmt.Errorf("%q is none of %s", name, strings.Join(names, ", "))
}

// Import is a source of records: the memory of a peer. It can be listed once.
type Import struct {
	Kind     Kind
	Source   string // a file or folder; "-" is Stdin
	Stdin    io.Reader
	Peer     Peer
	Identity greylist.Identity
	Windows  greylist.Windows // the longest that the site has
	Proven   int64            // learn.proven_after
	Now      int64            // Unix seconds

	TripletsRead, ClientsRead int64
	Skipped                   map[string]int64 // those that have no equivalent, by the reason
	FirstBad                  string           // the place of the first line that is no entry

	proofs map[string]*proof // by client
}

// entry is what a peer remembers of a triplet, or of a client if it has no recipient.
// Times are Unix seconds.
type entry struct {
	client            netip.Prefix
	sender, recipient string
	first, last       int64
	passed            bool // last is when

	// Of a client: how many of its triplets have passed or, where that is not known, when
	// some did.
	passes int64
	at     []int64

	skip  string // why it has no equivalent
	place string // of a line that is no entry
}

// NoEntry is the reason of lines that the peer would not have written.
const NoEntry = "not an entry"

// List yields the records. Its filter is not used. An error comes after what could be read.
func (im *Import) List(ctx context.Context, _ greylist.Filter) iter.Seq2[greylist.Record, error] {
	return func(yield func(greylist.Record, error) bool) {
		im.Skipped, im.proofs = make(map[string]int64), make(map[string]*proof)
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		done := false
		err := im.Kind.read(ctx, im, func(e entry) {
			if done {
				return
			}
			if r, ok := im.take(e); ok && !yield(r, nil) {
				done = true
				stop()
			}
		})
		if err == nil && im.Skipped[NoEntry] > 0 && im.TripletsRead+im.ClientsRead == 0 {
			err = fmt.Errorf("%s: nothing that %s writes; the first line that cannot be read is %s", im.Source, im.Kind.Name, im.FirstBad)
		}
		if !done && err != nil {
			yield(greylist.Record{}, err)
		}
	}
}

// take counts an entry, and returns it as a record if it has one.
func (im *Import) take(e entry) (greylist.Record, bool) {
	var r greylist.Record
	switch {
	case e.place != "":
		if im.FirstBad == "" {
			im.FirstBad = e.place
		}
		im.Skipped[NoEntry]++
		return r, false
	case e.recipient == "":
		im.ClientsRead++
	default:
		im.TripletsRead++
	}
	why := e.skip
	if why == "" {
		r, why = im.record(e)
	}
	if why != "" {
		im.Skipped[why]++
	}
	return r, why == "" && e.recipient != ""
}

// record returns an entry as a record, or why that cannot be.
// A client has none: it is kept for [Import.Proofs].
func (im *Import) record(e entry) (r greylist.Record, why string) {
	r.Entry = greylist.Entry{FirstSeen: min(e.first, im.Now), LastSeen: min(e.last, im.Now)}
	if e.passed {
		r.PassedAt = r.LastSeen
	}
	if why := im.useless(r.Entry); why != "" {
		return r, why
	}
	if why := im.tooWide(e.client); why != "" {
		return r, why
	}
	if e.recipient == "" {
		return r, im.prove(e)
	}
	t, err := im.Identity.Triplet(greylist.NetworkClient(e.client.Addr()), e.sender, e.recipient)
	if err != nil {
		return r, err.Error()
	}
	r.Triplet = t
	return r, ""
}

// useless says why an entry would be as no entry.
func (im *Import) useless(e greylist.Entry) string {
	switch {
	case e.Passed() && im.Now-e.PassedAt > im.Windows.MaxGrey:
		return "silent for longer than greylist.max_grey"
	case !e.Passed() && im.Now-e.FirstSeen > im.Windows.MaxDeferTime:
		return "waiting for longer than greylist.max_defer_time"
	}
	return ""
}

// tooWide says why a prefix stands for more than one client here.
func (im *Import) tooWide(p netip.Prefix) string {
	key, bits := "client_prefix_ipv4", im.Identity.IPv4
	if p.Addr().Is6() {
		key, bits = "client_prefix_ipv6", im.Identity.IPv6
	}
	if p.Bits() >= bits {
		return ""
	}
	return fmt.Sprintf("the client is cut to /%d, but clients here are told apart by %d bits; greylist.%s = %[1]d would take them", p.Bits(), bits, key)
}

// cut returns the network of an address as a peer has cut it. It fails for an address
// that has bits beyond the cut: then the peer was run with another length.
func (im *Import) cut(addr netip.Addr) (netip.Prefix, bool) {
	p, err := addr.Prefix(im.Peer.bitsOf(addr))
	return p, err == nil && p.Addr() == addr
}

// whole is an address as a prefix.
func whole(addr netip.Addr) netip.Prefix { return netip.PrefixFrom(addr, addr.BitLen()) }

// clientAt reads a whole address.
func clientAt(s string) (netip.Prefix, bool) {
	addr, err := address.ParseIP(s)
	return whole(addr), err == nil
}
