// Package forecast judges the mail of a log as the daemon would have, under several
// configurations side by side, each from an empty memory and in virtual time.
package forecast

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"greyglass/cmd/greyglass/internal/maillog"
	"greyglass/greylist"
	"greyglass/greylist/judge"
	"greyglass/greylist/rules"
)

// Configuration is one to be tried.
type Configuration struct {
	Name   string
	Same   string                                    // the name of an earlier one that is the same; empty: there is none
	Policy func(rules.Lookup) (*judge.Policy, error) // makes a policy that looks facts up there
}

// Options say what is forecast.
type Options struct {
	Configurations []Configuration // the present one first
	Lookup         rules.Lookup
	DNS            bool  // look up what the log does not tell; else it is estimated, and Lookup makes no queries
	Since          int64 // earlier mail is not judged
}

// Forecast judges the mail of a log. Its methods are not safe for concurrent use.
type Forecast struct {
	options Options
	trials  []*trial
	learned *trial // the present configuration, where the days before are learned from the log
	sites   *sites
	result  Result
	perDay  map[int64]int64 // delivered mail, by the beginning of the day

	batch   []*mail
	batches chan []*mail // to judge
	judged  sync.WaitGroup
}

// batchSize is after how many messages the trials wait for each other, so that none reads
// the sites while they change.
const batchSize = 2048

// New makes a forecast. Its goroutine ends with [Forecast.End].
func New(ctx context.Context, o Options) (*Forecast, error) {
	f := &Forecast{options: o, result: Result{DNS: o.DNS}, sites: newSites(), perDay: make(map[int64]int64), batches: make(chan []*mail, 1)}
	for _, c := range append(slices.Clip(o.Configurations), o.Configurations[0]) {
		if c.Same != "" {
			continue
		}
		facts := &facts{lookup: o.Lookup, dns: o.DNS}
		policy, err := c.Policy(facts)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		f.trials = append(f.trials, newTrial(c.Name, policy, facts))
	}
	f.trials[0].bySite = true
	f.learned = f.trials[len(f.trials)-1]
	f.learned.learn = &learned{identity: f.learned.judge.Policy().Identity, mail: make(map[greylist.Triplet]int64)}
	f.judged.Go(func() {
		for batch := range f.batches {
			f.judge(ctx, batch)
		}
	})
	return f, nil
}

// Add takes the next message of the log.
func (f *Forecast) Add(m maillog.Mail) {
	r := &f.result
	switch {
	case m.Time < f.options.Since:
		return
	case m.Direction == maillog.Outgoing: // a reply to it may be accepted at once
		r.Inside++
		f.add(m)
		return
	case !fromOutside(&m):
		r.Inside++
		return
	case m.Outcome == maillog.Deferred:
		r.DeferredAlready++
		return
	}
	if r.Since == 0 {
		r.Since = m.Time
	}
	r.Since, r.Until = min(r.Since, m.Time), max(r.Until, m.Time)
	f.add(m)
}

func (f *Forecast) add(m maillog.Mail) {
	f.batch = append(f.batch, newMail(m, f.options.Lookup.Dynamic))
	if len(f.batch) == batchSize {
		f.flush()
	}
}

func (f *Forecast) flush() {
	f.batches <- f.batch
	f.batch = nil
}

// judge judges a batch under each configuration.
func (f *Forecast) judge(ctx context.Context, batch []*mail) {
	for _, m := range batch {
		if m.wanted() {
			m.site = f.sites.of(m)
			f.sites.add(m.site, m)
			f.perDay[dayOf(m.Time)]++
		}
	}
	f.each(func(t *trial) {
		for _, m := range batch {
			if ctx.Err() != nil {
				return
			}
			t.message(ctx, m)
		}
	})
}

// each calls do with all trials at the same time.
func (f *Forecast) each(do func(*trial)) {
	var wg sync.WaitGroup
	for _, t := range f.trials {
		wg.Go(func() { do(t) })
	}
	wg.Wait()
}

// End returns the result, once all mail was added, given what was read. The context's
// error says that it is not whole.
func (f *Forecast) End(ctx context.Context, read *maillog.Counts) (*Result, error) {
	f.flush()
	close(f.batches)
	f.judged.Wait()
	f.each(func(t *trial) { t.end(ctx) })
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &f.result
	r.Lines, r.Skipped = read.Lines, read.Long+read.Future+read.Unclear+read.Unnamed+read.Incomplete
	r.Damaged = append([]string{}, read.Damaged...)
	f.summarize()
	return r, nil
}
