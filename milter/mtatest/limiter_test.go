package mtatest_test

import (
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
	"net"
	"testing"
)

func crowd(n int) func(*mtatest.Setup) { return func(s *mtatest.Setup) { s.Limits.Connections = n } }

// At the limit, the oldest connection without a request makes room, and never an MTA.
func TestSilentConnectionsMakeRoom(t *testing.T) {
	h := newMilter(t, crowd(3))
	oldest := h.MTA(t).Greet()
	oldest.Mail("a@example.net")
	first, second := mtatest.On(t, h.Dial(t)), mtatest.On(t, h.Dial(t))
	mtatest.Eventually(t, "all are admitted", func() bool { return h.Limiter.Connections() == 3 })

	newcomer := h.MTA(t)
	first.Closed()
	another := h.MTA(t)
	second.Closed()
	if n := h.Limiter.Connections(); n != 3 {
		t.Errorf("%d connections", n)
	}

	// Only MTAs are left: they stay, and who comes now is refused.
	mtatest.On(t, h.Dial(t)).Closed()
	if n := len(h.Log.All("connection limit reached")); n != 1 {
		t.Errorf("%d warnings, want one as long as it is full", n)
	}
	for i, m := range []*mtatest.MTA{newcomer, another} {
		m.Greet()
		m.Mail("a@example.net")
		if got := m.Rcpt("me" + string(rune('0'+i)) + "@example.org"); got != mtatest.Greylisted {
			t.Errorf("answer %q", got)
		}
	}
	if got := oldest.Rcpt("me@example.org"); got != mtatest.Greylisted {
		t.Errorf("answer %q", got)
	}

	// Room again, and then none again.
	newcomer.Quit()
	mtatest.Eventually(t, "one has left", func() bool { return h.Limiter.Connections() == 2 })
	last := h.MTA(t)
	mtatest.On(t, h.Dial(t)).Closed()
	if n := len(h.Log.All("connection limit reached")); n != 2 {
		t.Errorf("%d warnings, want two", n)
	}
	last.Quit()
	another.Quit()
	oldest.Quit()
	mtatest.Eventually(t, "all have left", func() bool { return h.Limiter.Connections() == 0 })
}

func TestLimitOfOneConnection(t *testing.T) {
	h := newMilter(t, crowd(1))
	for range 3 {
		silent := mtatest.On(t, h.Dial(t))
		mtatest.Eventually(t, "the silent connection is admitted", func() bool { return h.Limiter.Connections() == 1 })
		m := h.MTA(t)
		silent.Closed()
		m.Quit()
		mtatest.Eventually(t, "the MTA has left", func() bool { return h.Limiter.Connections() == 0 })
	}
	if n := len(h.Log.All("connection limit reached")); n != 3 {
		t.Errorf("%d warnings, want one each time that it is full", n)
	}
}

// Both front ends share one limiter.
func TestLimiterOfBothFrontEnds(t *testing.T) {
	h := newPolicy(t, crowd(3))
	l, err := listen.Listen(listen.Address{Network: "tcp4", Addr: "127.0.0.1:0"}, listen.SocketOwner{})
	if err != nil {
		t.Fatal(err)
	}
	milter, served := milterServer(h), make(chan error, 1)
	go func() { served <- milter.Serve(l) }() // the milter server
	there := listen.Address{Network: "tcp4", Addr: l.Addr().String()}

	m := mtatest.On(t, mtatest.Dial(t, there))
	m.Negotiate(6)
	m.Greet()
	kept := h.Policy(t)
	kept.Ask()
	silent := mtatest.On(t, mtatest.Dial(t, there))
	mtatest.Eventually(t, "all are admitted", func() bool { return h.Limiter.Connections() == 3 })

	newcomer := h.Policy(t) // a silent connection of the milter makes room
	if got := newcomer.Ask("recipient=you@example.org"); got != mtatest.Greylisted {
		t.Errorf("action %q", got)
	}
	silent.Closed()
	h.Policy(t).Closed() // none does
	mtatest.On(t, mtatest.Dial(t, there)).Closed()
	if lines := h.Log.All("connection limit reached"); len(lines) != 1 {
		t.Errorf("logged %v, want one warning", lines)
	}
	m.Mail("a@example.net")
	if got := m.Rcpt("me@example.org"); got != mtatest.Greylisted {
		t.Errorf("answer %q", got)
	}
	_ = newcomer.Conn.Close()
	mtatest.Eventually(t, "one has left", func() bool { return h.Limiter.Connections() == 2 })

	ended := make(chan error, 1)
	go func() { ended <- milter.Shutdown(t.Context(), 0) }()
	policy := h.Shutdown(t.Context(), 0)
	kept.Closed()
	m.Closed()
	for _, done := range []<-chan error{policy, ended, served} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	h.End(t)
	if _, err := net.Dial(there.Network, there.Addr); err == nil {
		t.Error("the listener is still open")
	}
}
