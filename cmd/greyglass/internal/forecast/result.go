package forecast

import (
	"cmp"
	"maps"
	"slices"
)

// Result is the forecast. Times are Unix seconds. A message counts once for each
// recipient.
type Result struct {
	Since int64 `json:"since"` // the first message that was judged
	Until int64 `json:"until"` // the last one

	Inside          int64 `json:"inside"`           // not judged: mail that is not known to be from outside
	DeferredAlready int64 `json:"deferred_already"` // not judged: attempts that the mail server itself deferred

	Lines   int64    `json:"lines"`   // of the log
	Skipped int64    `json:"skipped"` // of these, too long, in the future, ambiguous, or without a recipient
	Damaged []string `json:"damaged"` // files that could not be read to the end

	DNS bool `json:"dns"` // DNS was asked; else it was estimated

	Configurations []Outcome `json:"configurations"`
	Days           []Day     `json:"days"`
	Learn          *Learn    `json:"learn"` // null if the log has one day only
	Sites          []Site    `json:"sites"`
}

// Day has what of a day's delivered mail would have been deferred at the first attempt.
type Day struct {
	Since    int64            `json:"since"`
	Messages int64            `json:"messages"`
	Deferred map[string]int64 `json:"deferred"` // by the name of the configuration
	Learned  int64            `json:"learned"`  // under the first one, if the days before had been learned from the log
}

// Learn compares the first days under the present configuration, if nothing is known, with
// the last ones, if the log until then was learned.
type Learn struct {
	Days    int     `json:"days"`
	Empty   float64 `json:"empty"`   // share of the delivered mail that would have been deferred
	Learned float64 `json:"learned"` // the same
}

// Site is a sending site, under the present configuration.
type Site struct {
	Name      string `json:"name"`
	Pool      bool   `json:"pool"`
	Addresses int    `json:"addresses"` // up to [MaxAddresses]
	Messages  int64  `json:"messages"`
	Deferred  int64  `json:"deferred"`
}

// mostSites is how many sites are told.
const mostSites = 10

func (f *Forecast) summarize() {
	r := &f.result
	r.Days, r.Sites = []Day{}, []Site{}
	trials := make(map[string]*trial)
	for _, t := range f.trials[:len(f.trials)-1] {
		trials[t.Name] = t
	}
	for _, c := range f.options.Configurations {
		t := trials[cmp.Or(c.Same, c.Name)]
		trials[c.Name] = t
		outcome := t.Outcome
		outcome.Name = c.Name
		r.Configurations = append(r.Configurations, outcome)
	}
	for _, since := range slices.Sorted(maps.Keys(f.perDay)) {
		d := Day{Since: since, Messages: f.perDay[since], Deferred: make(map[string]int64), Learned: f.learned.byDay[since]}
		for name, t := range trials {
			d.Deferred[name] = t.byDay[since]
		}
		r.Days = append(r.Days, d)
	}
	r.Learn = learn(r.Days, f.options.Configurations[0].Name)
	all := slices.SortedFunc(maps.Values(f.sites.byName), func(a, b *site) int {
		return cmp.Or(cmp.Compare(b.deferred, a.deferred), cmp.Compare(a.name, b.name))
	})
	for _, s := range all[:min(len(all), mostSites)] {
		if s.deferred > 0 {
			r.Sites = append(r.Sites, Site{s.name, s.pool(), len(s.addresses), s.messages, s.deferred})
		}
	}
}

// weekDays is how many days are compared at most.
const weekDays = 7

func learn(days []Day, present string) *Learn {
	n := min(len(days)/2, weekDays)
	if n == 0 {
		return nil
	}
	share := func(days []Day, deferred func(Day) int64) float64 {
		var part, all int64
		for _, d := range days {
			part, all = part+deferred(d), all+d.Messages
		}
		return float64(part) / float64(all)
	}
	return &Learn{
		Days:    n,
		Empty:   share(days[:n], func(d Day) int64 { return d.Deferred[present] }),
		Learned: share(days[len(days)-n:], func(d Day) int64 { return d.Learned }),
	}
}
