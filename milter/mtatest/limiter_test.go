package mtatest_test

import (
	"testing"

	"greyglass/milter/mtatest"
)

// At the limit, connections that only hold their place give way, also if they have
// negotiated; an MTA in the middle of a message never does.
func TestIdleConnectionsGiveWay(t *testing.T) {
	h := byMilter.on(t, func(s *mtatest.Setup) { s.Limits.Connections = 3 })
	mta := h.MTA(t).Greet()
	mta.Mail("a@example.net")
	if got := mta.Rcpt("me@example.org"); got != mtatest.Greylisted {
		t.Errorf("answer %q", got)
	}
	silent := mtatest.On(t, h.Dial(t))
	mtatest.Eventually(t, "two are admitted", func() bool { return h.Limiter.Connections() == 2 })
	negotiated := h.MTA(t)
	second := h.MTA(t)
	silent.Closed()
	third := h.MTA(t).Greet()
	negotiated.Closed()
	for _, m := range []*mtatest.MTA{second.Greet(), third} {
		m.Mail("b@example.net")
		if got := m.Rcpt("me@example.org"); got == mtatest.Continue {
			t.Errorf("answer %q", got)
		}
	}

	// Now all are in a message: the new one is refused, and the warning said once.
	mtatest.On(t, h.Dial(t)).Closed()
	if n := len(h.Log.All("connection limit reached")); n != 1 {
		t.Errorf("%d warnings, want one as long as it is full", n)
	}
	if got := mta.Rcpt("you@example.org"); got != mtatest.Greylisted {
		t.Errorf("answer %q", got)
	}
	second.Body() // the end of its message
	if got := h.MTA(t); got == nil {
		t.Error("no room")
	}
	second.Closed()

	// Room again, and then none again.
	mta.Quit()
	third.Quit()
	mtatest.Eventually(t, "two have left", func() bool { return h.Limiter.Connections() == 1 })
	for range 3 {
		h.MTA(t)
	}
	if n := len(h.Log.All("connection limit reached")); n != 2 {
		t.Errorf("%d warnings, want two", n)
	}
}

// Policy connections have no message of their own: the one that has been idle
// longest gives way, and its client asks again on another.
func TestIdlePolicyConnectionsGiveWay(t *testing.T) {
	h := byPolicy.on(t, func(s *mtatest.Setup) { s.Limits.Connections = 2 })
	first, second := h.Policy(t), h.Policy(t)
	first.Ask()
	second.Ask()
	first.Ask()
	third := h.Policy(t)
	if got := third.Ask("recipient=you@example.org"); got != mtatest.Greylisted {
		t.Errorf("action %q", got)
	}
	second.Closed()
	first.Ask()
}

// A connection whose request is being judged never gives way, also if that is the end of
// a message: its MTA would have no answer.
func TestJudgedConnectionsStay(t *testing.T) {
	one := func(s *mtatest.Setup) { s.Limits.Connections = 1 }
	for _, c := range []struct {
		name string
		by   frontEnd
		ask  func(*testing.T, *mtatest.Fixture) (answer func() string)
	}{
		{"policy", byPolicy, func(t *testing.T, h *mtatest.Fixture) func() string {
			client := h.Policy(t)
			client.Write(mtatest.PostfixRequest())
			return client.Answer
		}},
		{"milter at the end of a message", byMilter, func(t *testing.T, h *mtatest.Fixture) func() string {
			mta := h.OldMTA(t, 2).Greet()
			mta.Mail("")
			mta.Rcpt("me@example.org")
			mta.Send('E')
			return mta.Reply
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := c.by.on(t, one)
			began, release := h.Store.Hold()
			answer := c.ask(t, h)
			<-began
			_ = h.Dial(t).Close()
			mtatest.Eventually(t, "the new connection is refused", func() bool { return h.Limiter.Counters().Refused+h.Limiter.Counters().Displaced > 0 })
			close(release)
			if got := answer(); got != mtatest.Greylisted {
				t.Errorf("answer %q", got)
			}
		})
	}
}
