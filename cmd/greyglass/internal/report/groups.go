package report

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// Keys are the keys by which [GroupsBy] groups triplets.
var Keys = map[string]func(greylist.Triplet) string{
	"domain": func(t greylist.Triplet) string {
		if _, domain, ok := address.Cut(t.Sender); ok {
			return domain
		}
		return t.Sender
	},
	"client":    func(t greylist.Triplet) string { return t.Client },
	"recipient": func(t greylist.Triplet) string { return t.Recipient },
}

// Group has the counts of the triplets that have one value of a key.
type Group struct {
	Name     string `json:"name"`
	Triplets int64  `json:"triplets"`
	Passed   int64  `json:"passed"`   // of these
	Deferred int64  `json:"deferred"` // answers
	Accepted int64  `json:"accepted"` // answers
}

// Groups are the groups that were deferred most often, the worst first.
type Groups struct {
	By      string  `json:"key"`
	Records int     `json:"records"` // number of triplets counted
	Groups  []Group `json:"groups"`
}

// GroupsBy groups the triplets of which mail came in a time by a key, and returns the given
// number of groups.
func GroupsBy(key string, records iter.Seq2[greylist.Record, error], in Time, most int) (g Groups, err error) {
	g = Groups{By: key, Groups: []Group{}}
	byName := make(map[string]*Group)
	for r, err := range records {
		if err != nil {
			return g, err
		}
		g.Records++
		if !in.saw(r) {
			continue
		}
		name := Keys[key](r.Triplet)
		group := byName[name]
		if group == nil {
			group = &Group{Name: name}
			byName[name] = group
		}
		group.Triplets++
		group.Deferred += r.Deferred
		group.Accepted += r.Accepted
		if r.Passed() {
			group.Passed++
		}
	}
	sorted := slices.SortedFunc(maps.Values(byName), func(a, b *Group) int {
		return cmp.Or(cmp.Compare(b.Deferred, a.Deferred), cmp.Compare(b.Triplets, a.Triplets), cmp.Compare(a.Name, b.Name))
	})
	for _, group := range sorted[:min(most, len(sorted))] {
		g.Groups = append(g.Groups, *group)
	}
	return g, nil
}

// Print writes the groups for people.
func (g Groups) Print(p Page) {
	if len(g.Groups) == 0 {
		p.printNone(g.Records)
		return
	}
	p.Text("")
	p.Text("Triplets by " + g.By + " (of the newest " + humanize.Comma(int64(g.Records)) + ")")
	rows := [][]string{{strings.ToUpper(g.By), "TRIPLETS", "PASSED", "DEFERRED", "ACCEPTED"}}
	for _, group := range g.Groups {
		rows = append(rows, []string{address.Printable(group.Name), humanize.Comma(group.Triplets),
			humanize.Comma(group.Passed), humanize.Comma(group.Deferred), humanize.Comma(group.Accepted)})
	}
	p.Table(rows)
}
