package mtatest_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"greyglass/milter/mtatest"
)

// wire is the MTA's end of a connection where its octets count.
type wire struct {
	t       testing.TB
	conn    net.Conn
	first   []byte                     // the first that such an MTA says
	begin   func()                     // says all that comes before a recipient
	request func(n, length int) []byte // offers the n-th recipient, whose name is so long
	answer  func() string
	closed  func() // waits until the other end has closed the connection
}

func milterWire(t testing.TB, conn net.Conn) *wire {
	m := mtatest.On(t, conn)
	return &wire{
		t: t, conn: conn,
		first: mtatest.Frame('O', strings.Repeat("x", 100)),
		begin: func() {
			m.Negotiate(6)
			m.Greet()
			m.Mail("a@example.net")
		},
		request: func(n, length int) []byte {
			return mtatest.Frame('R', fmt.Sprintf("<%s%d@example.org>\x00", strings.Repeat("a", length), n))
		},
		answer: m.Reply,
		closed: m.Closed,
	}
}

func policyWire(t testing.TB, conn net.Conn) *wire {
	c := mtatest.PolicyOn(t, conn)
	return &wire{
		t: t, conn: conn,
		first: []byte(mtatest.PostfixRequest()),
		begin: func() { c.Ask("protocol_state=MAIL") },
		request: func(n, length int) []byte {
			return []byte(mtatest.PostfixRequest(fmt.Sprintf("recipient=%s%d@example.org", strings.Repeat("a", length), n)))
		},
		answer: c.Answer,
		closed: c.Closed,
	}
}

// begun is a wire on which a message has begun.
func (e frontEnd) begun(t testing.TB, h *mtatest.Fixture) *wire {
	t.Helper()
	w := e.wire(t, h.Dial(t))
	w.begin()
	return w
}

// send sends octets as they are.
func (w *wire) send(octets []byte) {
	w.t.Helper()
	if _, err := w.conn.Write(octets); err != nil {
		w.t.Fatal(err)
	}
}

// offer offers the n-th recipient, who must be greylisted.
func (w *wire) offer(n int) {
	w.t.Helper()
	w.send(w.request(n, 1))
	w.greylisted()
}

// greylisted fails the test unless the next answer is that of an unknown triplet.
func (w *wire) greylisted() {
	w.t.Helper()
	if got := w.answer(); got != mtatest.Greylisted {
		w.t.Errorf("answer %q", got)
	}
}

// each runs a test for each front end.
func each(t *testing.T, test func(*testing.T, frontEnd)) {
	for _, e := range byBoth {
		t.Run(e.via, func(t *testing.T) { test(t, e) })
	}
}
