package policyd

import (
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
	"testing"
	"testing/synctest"
	"time"
)

// In these tests time passes as soon as everybody waits for it.

// Who has connected must make a whole request in limits.Negotiation, however
// slowly it drips.
func TestFirstRequestInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t, limits(5*time.Second, time.Minute, time.Hour))
		began := time.Now()
		h.Policy(t).Closed() // who says nothing
		within(t, time.Since(began), 5*time.Second)
		within(t, mtatest.Drip(t, h.Dial(t), []byte(mtatest.PostfixRequest())), 5*time.Second)
		if lines := h.Log.All("no request came in time"); len(lines) != 2 || lines[0]["via"] != "policy" {
			t.Errorf("logged %v", h.Log.All(""))
		}
	})
}

// A later request has limits.Command, from its first octet on.
func TestRequestInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t, limits(time.Minute, 10*time.Second, time.Hour))
		client := h.Policy(t)
		client.Ask()
		time.Sleep(59 * time.Minute)
		within(t, mtatest.Drip(t, client.Conn, []byte(mtatest.PostfixRequest())), 10*time.Second)
		if h.Log.Last("timeout within a request") == nil {
			t.Errorf("logged %v", h.Log.All(""))
		}

		// Each has its time for itself, also if no read ends between two.
		client = h.Policy(t)
		request := mtatest.PostfixRequest()
		half := len(request) / 2
		client.Write(request[:half])
		for range 5 {
			time.Sleep(8 * time.Second)
			client.Write(request[half:] + request[:half]) // the end of one, and the next begins
			client.Answer()
		}
		began := time.Now()
		client.Closed()
		within(t, time.Since(began), 10*time.Second)
	})
}

// Postfix keeps a connection for 300 s of idleness; the daemon must not be the
// first to close it, because Postfix would find out only at the next request.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 7260 * time.Second
		h := onPipes(t, limits(5*time.Second, 5*time.Second, idle))
		client := h.Policy(t)
		for _, pause := range []time.Duration{0, time.Second, 299 * time.Second, 301 * time.Second, time.Hour, idle, 0} {
			time.Sleep(pause)
			client.Ask()
		}
		began := time.Now()
		client.Closed()
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
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t)
		client := h.Policy(t)
		client.Write(mtatest.PostfixRequest())
		began := time.Now()
		for h.Limiter.Connections() > 0 {
			time.Sleep(time.Second)
		}
		if passed := time.Since(began); passed > listen.WriteTimeout+time.Second {
			t.Errorf("it took %v", passed)
		}
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
