package postgres

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"greyglass/greylist"
)

const (
	// A server that is away is tried at once, and then less and less often.
	probeFirst = 100 * time.Millisecond
	probeMost  = time.Second

	// probePatience bounds one try, of all hosts together.
	probePatience = 15 * time.Second
)

// link is what is known of the way to the server. While it is known to be
// broken, nobody waits for it but the one who mends it.
type link struct {
	away   atomic.Pointer[away]
	era    atomic.Int64  // counts the times that it was mended: a connection of an earlier era may lead to what was the primary then
	broken chan struct{} // holds one, for the one who mends
}

// away is why the server can't be asked.
type away struct {
	fault *greylist.Fault
	reads bool // only for what is to be written
}

// fail notes that it is broken, or why it still is.
func (l *link) fail(fault *greylist.Fault, reads bool) {
	l.away.Store(&away{fault, reads})
	l.mend()
}

// refused notes that somebody other than the worker was told that nothing can be
// written. It adds nothing to an outage that is known.
func (l *link) refused(fault *greylist.Fault) {
	if l.away.CompareAndSwap(nil, &away{fault, true}) {
		l.mend()
	}
}

// mend has it mended soon.
func (l *link) mend() {
	select {
	case l.broken <- struct{}{}:
	default:
	}
}

// tend mends the link whenever it is broken, until the store is closed.
func (s *Store) tend() {
	defer close(s.tended)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-s.closing
		cancel()
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.link.broken:
		}
		for wait := probeFirst; s.link.away.Load() != nil; wait = min(2*wait, probeMost) {
			probing, done := context.WithTimeout(ctx, probePatience)
			err := s.probe(probing)
			done()
			if err == nil {
				s.link.era.Add(1) // before anything is written again
				s.link.away.Store(nil)
				break
			}
			if was := s.link.away.Load(); was != nil {
				s.link.away.Store(&away{s.server.fault(err), was.reads})
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait/2 + rand.N(wait)): // so that many daemons don't come at once
			}
		}
	}
}
