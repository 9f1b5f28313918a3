package listen

import "sync/atomic"

// Counters counts the connections of a front end since the start.
type Counters struct {
	Open      int64 // that there are now
	Admitted  int64 // that were let in
	Refused   int64 // that were not, at a limit
	Displaced int64 // that gave way to others, at a limit
	Malformed int64 // that were closed because of what they sent
	TimedOut  int64 // that were closed because nothing more came in time
	Panicked  int64 // that ended by a panic of ours
}

type counters struct {
	admitted, refused, displaced, malformed, timedOut, panicked atomic.Int64
}

// Panicked counts a connection that ended by a panic.
func (l *Limiter) Panicked() { l.counters.panicked.Add(1) }

// Counters returns what was counted.
func (l *Limiter) Counters() Counters {
	n := &l.counters
	return Counters{int64(l.Connections()), n.admitted.Load(), n.refused.Load(), n.displaced.Load(), n.malformed.Load(), n.timedOut.Load(), n.panicked.Load()}
}
