package main

import (
	"math"
	"slices"
)

// counts is what became of a group of messages.
type counts struct {
	delays []int64 // of those that were accepted
	lost   int
}

func (c *counts) add(delay int64) {
	if delay == lost {
		c.lost++
		return
	}
	c.delays = append(c.delays, delay)
}

func (c *counts) all() int { return len(c.delays) + c.lost }

// within is the share that was accepted after so many seconds at most.
func (c *counts) within(seconds int64) float64 {
	n := 0
	for _, d := range c.delays {
		if d <= seconds {
			n++
		}
	}
	return float64(n) / float64(max(c.all(), 1))
}

// after is the share that was accepted after more than so many seconds.
func (c *counts) after(seconds int64) float64 { return 1 - c.within(seconds) - c.lostShare() }

// lostShare is the share that was never accepted.
func (c *counts) lostShare() float64 { return float64(c.lost) / float64(max(c.all(), 1)) }

// quantile is the delay that this share of all does not exceed, or lost.
func (c *counts) quantile(share float64) int64 {
	slices.Sort(c.delays)
	at := int(math.Ceil(share*float64(c.all()))) - 1
	if at >= len(c.delays) {
		return lost
	}
	return c.delays[max(at, 0)]
}

// result is what became of a population, or of several.
type result struct {
	firsts  counts            // first messages, but spam
	classes map[class]*counts // of them
	kinds   map[string]*counts
	queued  counts // of those whose senders try for more than ten minutes
	retried counts // of those whose senders try again at all
	later   counts
	spam    counts
	bots    counts
}

func newResult() *result {
	return &result{classes: make(map[class]*counts), kinds: make(map[string]*counts)}
}

// add counts a population.
func (r *result) add(p *population, delays []int64) {
	for i, m := range p.messages {
		if !m.first {
			if m.kind.class != "" {
				r.later.add(delays[i])
			}
			continue
		}
		d := delays[i]
		in(r.kinds, m.kind.name).add(d)
		if m.kind.class == "" {
			r.spam.add(d)
			if m.kind.bots {
				r.bots.add(d)
			}
			continue
		}
		r.firsts.add(d)
		in(r.classes, m.kind.class).add(d)
		if m.kind.tries.retries() {
			r.retried.add(d)
		}
		if m.kind.tries.hasQueue() {
			r.queued.add(d)
		}
	}
}

func in[K comparable](groups map[K]*counts, key K) *counts {
	if groups[key] == nil {
		groups[key] = &counts{}
	}
	return groups[key]
}
