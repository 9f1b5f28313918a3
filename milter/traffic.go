package milter

import "sync/atomic"

// Traffic counts the connections of one front end, from the gate's beginning on.
type Traffic struct {
	Open      int64 // that there are now
	Entered   int64 // that were let in
	Refused   int64 // that were not, because there were too many
	Displaced int64 // that had sent no request yet and made room for others
	Malformed int64 // that were closed because of what they sent
	TimedOut  int64 // that were closed because nothing more came in time
	Panicked  int64 // that ended by a panic of ours
}

// traffic is what a [Traffic] is read from, but for the connections that there are.
type traffic struct {
	entered, refused, displaced, malformed, timedOut, panicked atomic.Int64
}

// trafficOf returns the counters of a front end. The caller holds the lock.
func (g *Gate) trafficOf(via string) *traffic {
	t := g.traffic[via]
	if t == nil {
		t = new(traffic)
		g.traffic[via] = t
	}
	return t
}

// panicked counts a connection of a front end that ended by a panic.
func (g *Gate) panicked(via string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trafficOf(via).panicked.Add(1)
}

// Traffic returns what was counted, by the front end: "milter" or "policy".
func (g *Gate) Traffic() map[string]Traffic {
	g.mu.Lock()
	defer g.mu.Unlock()
	open := make(map[*traffic]int64)
	for c := range g.inside {
		open[c.traffic]++
	}
	all := make(map[string]Traffic)
	for via, t := range g.traffic {
		all[via] = Traffic{open[t], t.entered.Load(), t.refused.Load(), t.displaced.Load(), t.malformed.Load(), t.timedOut.Load(), t.panicked.Load()}
	}
	return all
}
