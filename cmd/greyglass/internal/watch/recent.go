package watch

import (
	"context"
	"maps"
	"sync"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/judge"
	"greyglass/sqlstore"
)

const (
	// recentFor is how far back [Recent] remembers.
	recentFor = 10 * time.Minute

	// sampleEvery is how often it remembers what was counted so far.
	sampleEvery = 10 * time.Second
)

// Recent remembers what a daemon had counted at several times of the last minutes.
type Recent struct {
	mu    sync.Mutex
	past  []sample  // the oldest first
	asked time.Time // of the last sample that had new answers; zero: none had
}

// sample is what was counted since the start of the daemon.
type sample struct {
	at           time.Time
	answers      map[judge.Kind]int64
	took, commit greylist.Distribution
}

func (d *Daemon) sample() sample {
	counters := d.Judge.Counters()
	n, _ := sqlstore.NumbersOf(d.Store)
	return sample{time.Now(), counters.Answers(), counters.Took(), n.Commit}
}

// Run samples the daemon until the context ends.
func (r *Recent) Run(ctx context.Context, d *Daemon) {
	for {
		r.add(d.sample())
		select {
		case <-ctx.Done():
			return
		case <-time.After(sampleEvery):
		}
	}
}

func (r *Recent) add(s sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.past) > 0 && s.at.Sub(r.past[0].at) > recentFor {
		r.past = r.past[1:]
	}
	if n := len(r.past); n > 0 && total(s.took) > total(r.past[n-1].took) {
		r.asked = s.at
	}
	r.past = append(r.past, s)
}

func total(d greylist.Distribution) (all int64) {
	for _, n := range d.Counts {
		all += n
	}
	return all
}

// Asked is when mail was last asked about, to within a sample; zero: it was not yet.
func (r *Recent) Asked() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// since returns what was counted since the oldest sample, and how long ago that is.
func (r *Recent) since(now sample) (sample, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.past) == 0 {
		return now, 0
	}
	then := r.past[0]
	counted := sample{answers: maps.Clone(now.answers), took: less(now.took, then.took), commit: less(now.commit, then.commit)}
	for kind, n := range then.answers {
		counted.answers[kind] -= n
	}
	return counted, now.at.Sub(then.at)
}

// less is a distribution without what it had before.
func less(d, before greylist.Distribution) greylist.Distribution {
	counts := make([]int64, len(d.Counts))
	for i, n := range d.Counts {
		counts[i] = n
		if i < len(before.Counts) {
			counts[i] -= before.Counts[i]
		}
	}
	return greylist.Distribution{Bounds: d.Bounds, Counts: counts, Sum: d.Sum - before.Sum}
}

// within returns the least bound, in seconds, that a part of the values, in nanoseconds,
// does not exceed; nil if there are no values, or it is beyond the last bound.
func within(d greylist.Distribution, part float64) *float64 {
	all, below := total(d), int64(0)
	for i, bound := range d.Bounds {
		if below += d.Counts[i]; all > 0 && float64(below) >= part*float64(all) {
			seconds := float64(bound) / float64(time.Second)
			return &seconds
		}
	}
	return nil
}
