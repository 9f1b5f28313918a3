package rules

import (
	"net/netip"
	"strconv"
	"strings"

	"greyglass/greylist"
)

// noteUse notes that mail has used an entry of a list. An attempt of 'greyglass probe', or one
// that is explained, is no mail.
func (f *Facts) noteUse(list *List, pattern string) {
	if list.Uses != nil && f.Via != greylist.ViaProbe && f.told == nil {
		list.Uses.Note(pattern)
	}
}

// inPrefix is client_in("192.0.2.0/24").
type inPrefix struct{ prefix netip.Prefix }

func (q *inPrefix) ask(f *Facts) bool {
	addr, ok := f.Client.Addr()
	yes := ok && q.prefix.Contains(addr)
	if f.told != nil {
		f.tell("client_in("+strconv.Quote(q.prefix.String())+")", yes)
	}
	return yes
}

// inClientList is client_in_list("FILE").
type inClientList struct{ list *List }

func (q *inClientList) ask(f *Facts) bool {
	addr, ok := f.Client.Addr()
	if !ok {
		return false
	}
	pattern, yes := q.list.matchClient(addr, f.clientName())
	if yes {
		f.noteUse(q.list, pattern)
	}
	f.tellMatch("client_in_list", q.list, pattern)
	return yes
}

// inList is `sender in list("FILE")`, or one of a recipient or a name.
type inList struct {
	fact string
	list *List
}

func (q *inList) ask(f *Facts, text string) bool {
	pattern, yes := q.list.match(text)
	if yes {
		f.noteUse(q.list, pattern)
	}
	f.tellMatch(q.fact+" in list", q.list, pattern)
	return yes
}

// inDNSLists is dnsbl("ZONE") or dnswl("ZONE").
type inDNSLists struct {
	function string
	zones    []string
}

func (q *inDNSLists) ask(f *Facts) bool {
	if len(q.zones) == 0 {
		if f.told != nil {
			f.told(q.function+"()", "no list is configured")
		}
		return false
	}
	listing := f.Listed(f.ctx, q.zones...)
	if listing.Status == Unknown {
		f.unknown = true
	}
	if f.told != nil {
		value := string(listing.Status)
		if listing.Why != "" {
			value += " (" + strings.TrimSpace(listing.Zone+" "+listing.Why) + ")"
		}
		f.told(q.function+"("+strings.Join(q.zones, ", ")+")", value)
	}
	return listing.Status == InList
}
