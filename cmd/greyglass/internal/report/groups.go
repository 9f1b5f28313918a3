package report

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

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

// GroupsBy groups the triplets that were seen since a time, in Unix seconds, by a key, and
// returns the given number of groups.
func GroupsBy(key string, records iter.Seq2[greylist.Record, error], since int64, most int) (g Groups, err error) {
	g = Groups{By: key, Groups: []Group{}}
	byName := make(map[string]*Group)
	for r, err := range records {
		if err != nil {
			return g, err
		}
		g.Records++
		if r.LastSeen < since {
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
func (g Groups) Print(w io.Writer) error {
	if len(g.Groups) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nTriplets by %s (of the newest %s)\n", g.By, humanize.Comma(int64(g.Records)))
	fmt.Fprintf(t, "  %s\tTRIPLETS\tPASSED\tDEFERRED\tACCEPTED\n", strings.ToUpper(g.By))
	for _, group := range g.Groups {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\n", shown(group.Name), humanize.Comma(group.Triplets),
			humanize.Comma(group.Passed), humanize.Comma(group.Deferred), humanize.Comma(group.Accepted))
	}
	return t.Flush()
}
