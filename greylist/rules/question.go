package rules

import (
	"net/netip"
	"strconv"
	"strings"

	"greyglass/greylist"
)

// matched notes that mail has used an entry of a list; an attempt of 'greyglass probe' is no
// mail. If the attempt is explained, it tells the entry instead. It returns yes.
func (f *Facts) matched(yes bool, list *List, entry, function, fact string) bool {
	switch {
	case f.told != nil:
		value := "no"
		if yes {
			value = "by " + strconv.Quote(entry)
		}
		f.told(fact+function+"("+strconv.Quote(list.File.File)+")", value)
	case yes && list.Uses != nil && f.Via != greylist.ViaProbe:
		list.Uses.Note(entry)
	}
	return yes
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
	entry, yes := q.list.matchClient(addr, f.clientName())
	return f.matched(yes, q.list, entry, "client_in_list", "")
}

// inList is `sender in list("FILE")`, or one of a recipient or a name.
type inList struct {
	fact string
	list *List
}

func (q *inList) ask(f *Facts, text string) bool {
	entry, yes := q.list.match(text)
	return f.matched(yes, q.list, entry, " in list", q.fact)
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
