package milter

import (
	"testing"
	"testing/synctest"
	"time"
)

// In these tests time passes as soon as everybody waits for it.

// drip writes an octet a second until the connection is closed, and returns how
// long that took.
func (c *policyClient) drip(octets string) time.Duration {
	c.t.Helper()
	began := time.Now()
	for i := range len(octets) {
		if _, err := c.conn.Write([]byte{octets[i]}); err != nil {
			return time.Since(began)
		}
		time.Sleep(time.Second)
	}
	c.t.Error("the connection is not closed")
	return 0
}

// Who has connected must make a whole request in limits.Negotiation, however
// slowly it drips.
func TestPolicyFirstRequestInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPolicyPipeHouse(t, limits(5*time.Second, time.Minute, time.Hour))
		began := time.Now()
		h.dial(t).closed() // who says nothing
		within(t, time.Since(began), 5*time.Second)
		within(t, h.dial(t).drip(postfixRequest()), 5*time.Second)
		if lines := h.log.all("no request came in time"); len(lines) != 2 || lines[0]["via"] != "policy" {
			t.Errorf("logged %v", h.log.lines)
		}
	})
}

// A later request has limits.Command, from its first octet on.
func TestPolicyRequestInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPolicyPipeHouse(t, limits(time.Minute, 10*time.Second, time.Hour))
		client := h.dial(t)
		client.ask()
		time.Sleep(59 * time.Minute)
		within(t, client.drip(postfixRequest()), 10*time.Second)
		if h.log.last("a request was begun and not ended in time") == nil {
			t.Errorf("logged %v", h.log.lines)
		}

		// Each has its time for itself, also if no read ends between two.
		client = h.dial(t)
		request := postfixRequest()
		half := len(request) / 2
		client.write(request[:half])
		for range 5 {
			time.Sleep(8 * time.Second)
			client.write(request[half:] + request[:half]) // the end of one, and the next begins
			client.answer()
		}
		began := time.Now()
		client.closed()
		within(t, time.Since(began), 10*time.Second)
	})
}

// Postfix keeps a connection for 300 s of idleness; the daemon must not be the
// first to close it, because Postfix would find out only at the next request.
func TestPolicyIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 7260 * time.Second
		h := newPolicyPipeHouse(t, limits(5*time.Second, 5*time.Second, idle))
		client := h.dial(t)
		for _, pause := range []time.Duration{0, time.Second, 299 * time.Second, 301 * time.Second, time.Hour, idle, 0} {
			time.Sleep(pause)
			client.ask()
		}
		began := time.Now()
		client.closed()
		if passed := time.Since(began); passed < idle || passed > idle+slackIdle {
			t.Errorf("closed after %v, want %v to %v", passed, idle, idle+slackIdle)
		}
		if h.log.last("idle for too long") == nil {
			t.Errorf("logged %v", h.log.lines)
		}
	})
}

// A client that does not read its answers does not hold the session for ever.
func TestPolicyAnswersNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPolicyPipeHouse(t)
		client := h.dial(t)
		client.write(postfixRequest())
		began := time.Now()
		for h.gate.Connections() > 0 {
			time.Sleep(time.Second)
		}
		if passed := time.Since(began); passed > writeTimeout+time.Second {
			t.Errorf("it took %v", passed)
		}
	})
}
