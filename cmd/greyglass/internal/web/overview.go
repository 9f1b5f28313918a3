package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"greyglass/cmd/greyglass/internal/report"
	"greyglass/cmd/greyglass/internal/show"
	"greyglass/greylist"
)

const (
	// countEvery is how old the counts of the overview may become while somebody looks.
	countEvery = time.Minute

	// countShare bounds the time for counting: a fiftieth.
	countShare = 50

	// countTimeout bounds a count.
	countTimeout = time.Minute

	// oldCounts are so old that the overview says so.
	oldCounts = 2 * time.Minute

	// lookedAt is how long after a view the counting goes on.
	lookedAt = 10 * time.Minute

	// worst and longest are how many senders, and waiting triplets, the overview shows.
	worst   = 8
	longest = 10
)

// overview counts, in the background, what the overview shows, so that a view reads nothing
// from the database: neither ten million triplets nor a database that fails delay it.
type overview struct {
	daemon *Daemon
	failed func(error)   // logs it
	wake   chan struct{} // somebody looks

	counting sync.Mutex // held by a count, so that none overwrites a later one

	mu     sync.Mutex
	looked time.Time
	last   *counts // nil: not counted yet
	lapse  string  // why the last count failed; empty: it did not
}

// counts are what was counted.
type counts struct {
	At         int64 // Unix seconds
	Day, Month report.Period
	Hours      picture // of the day
	Days       picture // of the month
	Delays     picture
	Waited     picture
	Senders    report.Senders
	longest    []greylist.Record
}

func newOverview(d *Daemon, failed func(error)) *overview {
	return &overview{daemon: d, failed: failed, wake: make(chan struct{}, 1)}
}

// run counts once, and then while somebody looks, until the context ends.
func (o *overview) run(ctx context.Context) {
	for {
		began, every := time.Now(), countEvery
		if o.count(ctx) {
			every = max(every, countShare*time.Since(began))
		}
		pause := time.NewTimer(every)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		if !o.wanted() {
			select {
			case <-ctx.Done():
				return
			case <-o.wake:
			}
		}
	}
}

// wanted reports whether somebody has looked lately.
func (o *overview) wanted() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Since(o.looked) < lookedAt
}

// latest returns the last counts, nil if there are none, and has them counted again. failed
// says why there are no newer ones; empty: there are.
func (o *overview) latest() (last *counts, failed string) {
	o.mu.Lock()
	o.looked = time.Now()
	last, failed = o.last, o.lapse
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return last, failed
}

// count counts, and reports whether it did.
func (o *overview) count(ctx context.Context) bool {
	o.counting.Lock()
	defer o.counting.Unlock()
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	c, err := o.counted(ctx)
	if err != nil {
		err = readError(err)
		o.failed(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lapse = ""; err != nil {
		o.lapse = sentence(err)
		return false
	}
	o.last = c
	return true
}

func (o *overview) counted(ctx context.Context) (c *counts, err error) {
	defer func() { // a bug in the counts does not end the daemon
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	d, p, now := o.daemon, o.daemon.Policy(), o.daemon.Now()
	day, month := greylist.HourOf(now-report.Day), greylist.HourOf(now-30*report.Day)
	h, err := d.Store.History(ctx, month)
	if err != nil {
		return nil, err
	}
	c = &counts{At: now}
	c.Day = report.Of(h, day, now, p.Longest().MaxDeferTime)
	c.Month = report.Of(h, month, now, p.Longest().MaxDeferTime)
	c.Hours, c.Days = answersByTime(report.Bars(h, day, now, time.UTC)), returnsByTime(report.Bars(h, month, now, time.Local))
	c.Delays, c.Waited = delaysOf(h, month), waitedOf(h, month, now)
	waiting := newestWaiting{since: now - p.Longest().MaxDeferTime}
	c.Senders, err = report.SendersOf(waiting.noting(d.Store.List(ctx, greylist.Filter{Limit: report.MaxRecords})), report.Since(month), worst)
	c.longest = waiting.longest
	return c, err
}

// longest describes what waited longest when it was counted, as it is now.
func (d *serving) longest(c *counts) (all []found) {
	recipients := make(map[string]bool)
	for _, r := range c.longest {
		recipients[r.Recipient] = true
	}
	var recent []Decided
	if d.keeps() {
		recent = d.Recent.Find(func(k *Decided) bool { return recipients[k.Recipient] }, shown)
	}
	for _, r := range c.longest {
		all = append(all, d.found(d.windowsOf(r.Triplet, recent), r))
	}
	return all
}

// newestWaiting notes, of the records that pass by, those that wait longest and can still
// pass.
type newestWaiting struct {
	since   int64 // what waits for longer is too late
	longest []greylist.Record
}

func (n *newestWaiting) noting(records func(func(greylist.Record, error) bool)) func(func(greylist.Record, error) bool) {
	return func(yield func(greylist.Record, error) bool) {
		for r, err := range records {
			if err == nil && !r.Passed() && r.FirstSeen >= n.since {
				n.note(r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (n *newestWaiting) note(r greylist.Record) {
	earlier := func(a, b greylist.Record) int { return cmp.Compare(a.Attempted(), b.Attempted()) }
	if len(n.longest) == longest && earlier(r, n.longest[longest-1]) >= 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(n.longest, r, earlier)
	n.longest = slices.Insert(n.longest, i, r)
	n.longest = n.longest[:min(len(n.longest), longest)]
}

// overviewPage is what the template of the overview shows.
type overviewPage struct {
	Health  []finding
	Counts  *counts // nil: not counted yet
	Failed  string  // why there are no newer counts; empty: there are
	Private bool    // without users: only numbers
	Pools   []poolAdvice
	Age     string // of the counts; empty: they are new
	Longest []found
	Observe bool // nothing waits: the greylist only observes
}

func (s *Server) showOverview(w http.ResponseWriter, r *http.Request) {
	v, d := s.viewerOf(r), s.daemon.Load()
	switch {
	case d == nil:
		s.fail(w, r, v, http.StatusServiceUnavailable, "The daemon is starting. Try again in a moment.")
		return
	case v.Name == "" && s.needsUser():
		s.forUsers(nil)(w, r)
		return
	case v.Name != "":
		s.prolong(w, r, v)
	}
	page := overviewPage{Health: d.health(), Private: !s.needsUser(), Observe: d.Policy().Observe}
	page.Counts, page.Failed = d.overview.latest()
	if c := page.Counts; c != nil && d.Now()-c.At > int64(oldCounts.Seconds()) {
		page.Age = show.Duration(d.Now() - c.At)
	}
	if page.Counts != nil && !page.Private {
		page.Pools, page.Longest = d.adviceFor(page.Counts.Senders.Networks), d.longest(page.Counts)
	}
	s.show(w, r, v, http.StatusOK, "overview", "Overview", page)
}

// poolAdvice is a network whose mail waits again and again, and what lets it in.
type poolAdvice struct {
	report.Sender
	File string
	Rule string // for the file
}

// inRuleName replaces what a network has and the name of a rule may not have.
var inRuleName = strings.NewReplacer("/", "-", ":", "-")

func (d *serving) adviceFor(networks []report.Sender) (all []poolAdvice) {
	for _, n := range networks {
		rule := fmt.Sprintf("[[rule]]\nname = %q\nwhen = 'client_in(%q)'\nthen = \"accept\"", "pool-"+inRuleName.Replace(n.Name), n.Name)
		all = append(all, poolAdvice{n, d.ConfigFile, rule})
	}
	return all
}
