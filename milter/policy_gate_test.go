package milter

import (
	"net"
	"testing"
)

// Both front ends are behind one gate.
func TestPolicyGate(t *testing.T) {
	h := newPolicyHouse(t, crowd(3))
	l, err := Listen(Address{"tcp4", "127.0.0.1:0"}, SocketOwner{})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(l) }() // the milter server
	there := Address{"tcp4", l.Addr().String()}

	m := newMTA(t, there, 6).greet()
	kept := h.dial(t)
	kept.ask()
	stranger := dialMTA(t, there)
	eventually(t, "the stranger is inside", func() bool { return h.gate.Connections() == 3 })

	newcomer := h.dial(t) // for whom a stranger at the milter's door makes room
	if got := newcomer.ask("recipient=you@example.org"); got != greylisted {
		t.Errorf("action %q", got)
	}
	stranger.closed()
	h.dial(t).closed() // for whom nobody does
	dialMTA(t, there).closed()
	if lines := h.log.all("limits.connections"); len(lines) != 1 {
		t.Errorf("logged %v, want one warning", lines)
	}
	m.mail("a@example.net")
	if got := m.rcpt("me@example.org"); got != greylisted {
		t.Errorf("answer %q", got)
	}
	_ = newcomer.conn.Close()
	eventually(t, "one has left", func() bool { return h.gate.Connections() == 2 })

	policy, milter := h.shutdownPolicy(t.Context(), 0), h.shutdown(t, t.Context(), 0)
	kept.closed()
	m.closed()
	for _, done := range []<-chan error{policy, milter, served} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	h.end(t)
	if _, err := net.Dial(there.Network, there.Addr); err == nil {
		t.Error("the listener is still open")
	}
}
