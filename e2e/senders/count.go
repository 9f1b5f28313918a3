package main

import (
	"math"
	"slices"
)

// lost is the delay of a message that was never accepted.
const lost = math.MaxInt64

// delays are those of a group of messages, in seconds.
type delays []int64

// within is the share that was accepted after so many seconds at most.
func (d delays) within(seconds int64) float64 {
	n := 0
	for _, delay := range d {
		if delay <= seconds {
			n++
		}
	}
	return float64(n) / float64(max(len(d), 1))
}

// accepted is the share that was accepted at some time.
func (d delays) accepted() float64 { return d.within(lost - 1) }

// after is the share that was accepted after more than so many seconds.
func (d delays) after(seconds int64) float64 { return d.accepted() - d.within(seconds) }

// lost is the share that was never accepted.
func (d delays) lost() float64 { return d.within(lost) - d.accepted() }

// quantile is the delay that this share does not exceed.
func (d delays) quantile(share float64) int64 {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[max(int(math.Ceil(share*float64(len(sorted))))-1, 0)]
}

// Groups of messages; each class and each kind of sender is one, too.
const (
	firsts  = "first messages" // but spam
	retried = "first messages of senders that try again at all"
	queued  = "first messages of senders that try for more than ten minutes"
	laters  = "later messages"
	unasked = "spam"
	botnet  = "spam of bots"
)

// groups are those that a message belongs to.
func (m *message) groups() []string {
	k := m.kind
	switch {
	case k.class == "" && k.bots:
		return []string{unasked, botnet, k.name}
	case k.class == "":
		return []string{unasked, k.name}
	case !m.first:
		return []string{laters}
	}
	all := []string{firsts, string(k.class), k.name}
	if k.tries.retries() {
		all = append(all, retried)
	}
	if k.tries.hasQueue() {
		all = append(all, queued)
	}
	return all
}

// result is what became of each group.
type result map[string]delays

func (r result) add(p *population, delays []int64) {
	for i, m := range p.messages {
		for _, group := range m.groups() {
			r[group] = append(r[group], delays[i])
		}
	}
}
