package listen

import "sync/atomic"

// Counters counts the connections of a front end since the start.
type Counters struct {
	Open      int64 // now
	Admitted  int64
	Refused   int64 // at a limit
	Displaced int64 // closed at a limit in favour of a new one
	Malformed int64 // closed because of a protocol error
	TimedOut  int64 // closed by a timeout
	Panicked  int64 // ended by a panic in the daemon
}

type counters struct {
	admitted, refused, displaced, malformed, timedOut, panicked atomic.Int64
}

// Panicked counts a connection that ended by a panic.
func (l *Limiter) Panicked() { l.counters.panicked.Add(1) }

// Counters returns the counts.
func (l *Limiter) Counters() Counters {
	n := &l.counters
	return Counters{int64(l.Connections()), n.admitted.Load(), n.refused.Load(), n.displaced.Load(), n.malformed.Load(), n.timedOut.Load(), n.panicked.Load()}
}
