package listen

import "sync/atomic"

// Counters counts the connections of one front end since the limiter was made.
type Counters struct {
	Open      int64 // that there are now
	Admitted  int64 // that were let in
	Refused   int64 // that were not, at a limit
	Displaced int64 // that had sent no request yet and made room for others
	Malformed int64 // that were closed because of what they sent
	TimedOut  int64 // that were closed because nothing more came in time
	Panicked  int64 // that ended by a panic of ours
}

type counters struct {
	admitted, refused, displaced, malformed, timedOut, panicked atomic.Int64
}

// countersOf returns the counters of a front end. The caller holds the lock.
func (l *Limiter) countersOf(via string) *counters {
	n := l.counters[via]
	if n == nil {
		n = new(counters)
		l.counters[via] = n
	}
	return n
}

// Panicked counts a connection of a front end that ended by a panic.
func (l *Limiter) Panicked(via string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.countersOf(via).panicked.Add(1)
}

// Counters returns what was counted, by front end: "milter" or "policy".
func (l *Limiter) Counters() map[string]Counters {
	l.mu.Lock()
	defer l.mu.Unlock()
	open := make(map[*counters]int64)
	for c := range l.conns {
		open[c.counters]++
	}
	all := make(map[string]Counters)
	for via, n := range l.counters {
		all[via] = Counters{open[n], n.admitted.Load(), n.refused.Load(), n.displaced.Load(), n.malformed.Load(), n.timedOut.Load(), n.panicked.Load()}
	}
	return all
}
