package web

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/judge"
)

const (
	// searched is how many triplets, the newest, are searched for what the database cannot
	// narrow: a network, a code, a word.
	searched = 50_000

	// shown is how many triplets, and how many decisions, a page shows at most.
	shown = 25

	// maxReading is how many searches and actions may read the database at a time. Another
	// one waits for readingWait, and is refused then.
	maxReading  = 2
	readingWait = 3 * time.Second

	// searchTimeout bounds a search.
	searchTimeout = 10 * time.Second
)

// searchPage is what the template of a search shows.
type searchPage struct {
	Text    string
	Problem string
	Notes   []string
	Found   []found
	More    bool // there are more than shown
	Newest  int  // only so many triplets were searched; zero: all
	Recent  []Decided
	Kept    bool // decisions are kept in memory
	Explain *explanation
	Expect  *expectForm
	Done    *doneNote
}

func (s *Server) search(w http.ResponseWriter, r *http.Request, d *serving, v viewer) {
	ctx, cancel := context.WithTimeout(r.Context(), searchTimeout)
	defer cancel()
	text := r.URL.Query().Get("q")
	page := searchPage{Text: text, Kept: d.keeps(), Done: s.changes.note(r.URL.Query().Get("did"), v)}
	query, err := ParseQuery(text)
	if err == nil {
		err = s.reading(ctx, func() error { return d.answer(ctx, query, &page) })
	}
	if errors.Is(err, errBusy) {
		s.failBusy(w, r, v)
		return
	}
	status := http.StatusOK
	if err != nil {
		s.logFailure(err)
		status, page.Problem = http.StatusUnprocessableEntity, sentence(err)
		if ofDatabase(err) != nil {
			status = http.StatusServiceUnavailable
		}
	}
	if page.Problem == "" && v.Acts {
		page.Expect = expectFormOf(query, &page)
	}
	s.show(w, r, v, status, "search", titleOf(text), page)
}

// errBusy is returned by reading.
var errBusy = errors.New("too many searches are running. Try again in some seconds")

// reading waits until f may read the database, and runs it. Few do at a time, since in bad
// moments decisions read by the same connections.
func (s *Server) reading(ctx context.Context, f func() error) error {
	timer := time.NewTimer(readingWait)
	defer timer.Stop()
	select {
	case s.readers <- struct{}{}:
		defer func() { <-s.readers }()
		return f()
	case <-timer.C:
	case <-ctx.Done():
	}
	return errBusy
}

func (s *Server) failBusy(w http.ResponseWriter, r *http.Request, v viewer) {
	w.Header().Set("Retry-After", "5")
	s.fail(w, r, v, http.StatusServiceUnavailable, sentence(errBusy))
}

func titleOf(text string) string {
	if text = printable(strings.TrimSpace(text)); text == "" {
		return "Search"
	}
	return text
}

// answer finds what is asked for.
func (d *serving) answer(ctx context.Context, q Query, page *searchPage) error {
	if q == (Query{}) {
		return nil
	}
	p := d.Policy()
	if q.Triplet != nil {
		return d.answerTriplet(ctx, *q.Triplet, page)
	}
	filters, decided, err := selectionOf(p, q)
	if err != nil {
		return err
	}
	if d.keeps() {
		page.Recent = d.Recent.Find(decided, shown)
	}
	if q.Client != "" {
		filters = append(filters, identities(page.Recent)...)
	}
	records := make(map[greylist.Triplet]greylist.Record)
	for _, filter := range filters {
		if filter.Limit = shown + 1; !narrows(filter) {
			filter.Newest, page.Newest = searched, searched
		}
		for r, err := range d.Store.List(ctx, filter) {
			if err != nil {
				return readError(err)
			}
			records[r.Triplet] = r
		}
	}
	switch {
	case q.Sender != "" && len(records) == 0:
		page.Notes = append(page.Notes, "These two addresses were read as a sender and a recipient. Search for one of them alone, too.")
	case q.Client != "" && p.Provides():
		page.Notes = append(page.Notes, "A client may be stored under the name of its provider. Search for the sender or the recipient, too.")
	}
	newest := slices.SortedFunc(maps.Values(records), func(a, b greylist.Record) int {
		return cmp.Or(cmp.Compare(b.LastSeen, a.LastSeen), strings.Compare(a.String(), b.String()))
	})
	page.More = len(newest) > shown
	newest = newest[:min(len(newest), shown)]
	for _, r := range newest {
		page.Found = append(page.Found, d.found(d.windowsOf(r.Triplet, page.Recent), r))
	}
	switch { // the usual case at the telephone: there is one
	case len(page.Found) == 1:
		t := page.Found[0].Triplet
		return d.explain(ctx, [3]string{t.Client, t.Sender, t.Recipient}, page)
	case len(page.Found) == 0 && len(page.Recent) > 0 && q.Word != "":
		if r := page.Recent[0]; clientOf(r) != "" {
			return d.explain(ctx, [3]string{clientOf(r), r.Sender, r.Recipient}, page)
		}
	}
	return nil
}

// narrows reports whether the database skips most records that are not selected.
func narrows(f greylist.Filter) bool {
	return f.Client != "" || len(f.Senders)+len(f.Recipients) > 0 || f.EitherDomain != ""
}

// sentence is an error as a sentence.
func sentence(err error) string {
	text := printable(err.Error())
	if text == "" {
		return text
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// selectionOf returns what of the database, and what of the newest decisions, a query
// selects.
func selectionOf(p *judge.Policy, q Query) (all []greylist.Filter, decided func(*Decided) bool, err error) {
	one := func(f greylist.Filter) []greylist.Filter { return []greylist.Filter{f} }
	switch {
	case q.Sender != "":
		senders, recipients := p.SenderForms(q.Sender), address.Forms(q.Recipient)
		return one(greylist.Filter{Senders: senders, Recipients: recipients}), func(d *Decided) bool {
			return slices.Contains(senders, d.Sender) && slices.Contains(recipients, d.Recipient)
		}, nil
	case q.Address != "":
		senders, recipients := p.SenderForms(q.Address), address.Forms(q.Address)
		return one(greylist.Filter{Senders: senders, Recipients: recipients, Either: true}), func(d *Decided) bool {
			return slices.Contains(senders, d.Sender) || slices.Contains(recipients, d.Recipient)
		}, nil
	case q.Domain != "":
		var domains address.Patterns
		for _, pattern := range []string{q.Domain, "*." + q.Domain} {
			if err := domains.AddDomain(pattern); err != nil {
				return nil, nil, err
			}
		}
		in := func(addresses ...string) bool {
			return slices.ContainsFunc(addresses, func(a string) bool {
				_, domain, _ := address.Cut(a)
				_, ok := domains.MatchDomain(domain)
				return ok
			})
		}
		f := greylist.Filter{EitherDomain: address.Domain(strings.ToLower(q.Domain)), Only: func(r greylist.Record) bool { return in(r.Sender, r.Recipient) }}
		return one(f), func(d *Decided) bool { return in(d.Sender, d.Recipient) }, nil
	case q.Client != "":
		f, decided, err := clientSelection(p, q.Client)
		return one(f), decided, err
	case q.Code != "":
		f := greylist.Filter{Only: func(r greylist.Record) bool { return r.Code() == q.Code }}
		return one(f), func(d *Decided) bool { return d.Code == q.Code }, nil
	}
	local := strings.ToLower(q.Word)
	is := func(a string) bool {
		l, _, ok := address.Cut(a)
		return ok && l == local || a == local
	}
	f := greylist.Filter{Only: func(r greylist.Record) bool { return is(r.Sender) || is(r.Recipient) }}
	return one(f), func(d *Decided) bool { return d.QueueID == q.Word || is(d.Sender) || is(d.Recipient) }, nil
}

// identities selects what is remembered under the names by which the clients of decisions are
// known.
func identities(all []Decided) (filters []greylist.Filter) {
	seen := make(map[string]bool)
	for _, d := range all {
		if d.Identity != "" && !seen[d.Identity] {
			seen[d.Identity] = true
			filters = append(filters, greylist.Filter{Client: d.Identity})
		}
	}
	return filters
}

func clientSelection(p *judge.Policy, client string) (f greylist.Filter, decided func(*Decided) bool, err error) {
	if c, ok, err := greylist.ParseIdentity(client); ok {
		f.Client = c.Identity()
		return f, func(d *Decided) bool { return d.Identity == f.Client }, err
	}
	prefix, err := address.ParsePrefix(client)
	if err != nil {
		addr, err := address.ParseIP(client)
		if err != nil {
			return f, nil, err
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	decided = func(d *Decided) bool {
		addr, err := netip.ParseAddr(d.Client)
		return err == nil && prefix.Contains(addr)
	}
	if prefix.IsSingleIP() {
		f.Client = p.Identity.Network(prefix.Addr())
		return f, decided, nil
	}
	f.Only = func(r greylist.Record) bool {
		stored, err := address.ParsePrefix(r.Client)
		return err == nil && prefix.Overlaps(stored)
	}
	return f, decided, nil
}
