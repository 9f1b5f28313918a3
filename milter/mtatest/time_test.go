package mtatest_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
)

// In these tests time passes as soon as everybody waits for it.

// bubble runs a test for each front end, in a time of its own.
func bubble(t *testing.T, test func(*testing.T, frontEnd)) {
	each(t, func(t *testing.T, e frontEnd) {
		synctest.Test(t, func(t *testing.T) { test(t, e) })
	})
}

func limits(negotiation, command, idle time.Duration) func(*mtatest.Setup) {
	return func(s *mtatest.Setup) {
		s.Limits.Negotiation, s.Limits.Command, s.Limits.Idle = negotiation, command, idle
	}
}

// within fails the test unless a time has passed that is at least the least, and no second more.
func within(t *testing.T, passed, least time.Duration) {
	t.Helper()
	if passed < least || passed > least+time.Second {
		t.Errorf("it took %v, want %v", passed, least)
	}
}

// A client that has connected must say the first in its time, however slowly it drips.
func TestFirstRequestInTime(t *testing.T) {
	bubble(t, func(t *testing.T, e frontEnd) {
		h := e.build(t, limits(5*time.Second, time.Minute, time.Hour)).OnPipes(t)
		began := time.Now()
		silent := e.wire(t, h.Dial(t))
		silent.closed()
		within(t, time.Since(began), 5*time.Second)
		within(t, mtatest.Drip(t, h.Dial(t), silent.first), 5*time.Second)
		if lines := h.Log.All("no request came in time"); len(lines) != 2 || lines[0]["via"] != e.via {
			t.Errorf("logged %v", h.Log.All(""))
		}
	})
}

// A later request has its time from its first octet on, also if no read ends between two.
func TestRequestInTime(t *testing.T) {
	bubble(t, func(t *testing.T, e frontEnd) {
		h := e.build(t, limits(time.Minute, 10*time.Second, time.Hour)).OnPipes(t)
		slow := e.begun(t, h)
		time.Sleep(59 * time.Minute)
		within(t, mtatest.Drip(t, slow.conn, slow.request(1, 100)), 10*time.Second)
		if h.Log.Last("timeout within a request") == nil {
			t.Errorf("logged %v", h.Log.All(""))
		}

		w := e.begun(t, h)
		request := w.request(1, 1)
		half := len(request) / 2
		w.send(request[:half])
		for range 5 {
			time.Sleep(8 * time.Second)
			w.send(slices.Concat(request[half:], request[:half])) // the end of one, and the next begins
			w.answer()
		}
		began := time.Now()
		w.closed()
		within(t, time.Since(began), 10*time.Second)
	})
}

// A connection may be idle for as long as the limit says, never less, and is closed soon
// after. Postfix keeps one for 300 s of idleness, and would find out only at the next
// request that it was closed.
func TestIdle(t *testing.T) {
	bubble(t, func(t *testing.T, e frontEnd) {
		const idle = 7260 * time.Second
		h := e.build(t, limits(5*time.Second, 5*time.Second, idle)).OnPipes(t)
		w := e.begun(t, h)
		n := 0
		for range 20 {
			for _, pause := range []time.Duration{0, time.Second, listen.IdleSlack / 2, listen.IdleSlack, listen.IdleSlack + time.Second, 301 * time.Second, idle / 2, idle} {
				time.Sleep(pause)
				n++
				w.offer(n)
			}
		}
		began := time.Now()
		w.closed()
		if passed := time.Since(began); passed < idle || passed > idle+listen.IdleSlack {
			t.Errorf("closed after %v, want %v to %v", passed, idle, idle+listen.IdleSlack)
		}
		if h.Log.Last("idle for too long") == nil {
			t.Errorf("logged %v", h.Log.All(""))
		}
	})
}

// A client that does not read its answers does not hold the session for ever.
func TestAnswersNotRead(t *testing.T) {
	bubble(t, func(t *testing.T, e frontEnd) {
		h := e.build(t).OnPipes(t)
		w := e.begun(t, h)
		w.send(w.request(1, 1))
		began := time.Now()
		for h.Limiter.Connections() > 0 {
			time.Sleep(time.Second)
		}
		if passed := time.Since(began); passed > listen.WriteTimeout+time.Second {
			t.Errorf("it took %v", passed)
		}
	})
}
