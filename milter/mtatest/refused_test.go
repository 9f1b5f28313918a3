package mtatest_test

import (
	"greyglass/greylist"
	"greyglass/milter/mtatest"
	"testing"
)

// After a refused DATA Postfix keeps the message: a client that just says DATA
// again is not let in, and is not judged again.
func TestRefusedDataAgain(t *testing.T) {
	const soon = "451 4.7.1 Greylisted, please try again in 50 minutes"
	type asker struct {
		rcpt func(recipient string) string
		data func() string
		next func() // message
	}
	try := func(t *testing.T, h *mtatest.Fixture, accepted string, a asker) {
		t.Helper()
		says := func(what, got, want string, decisions int) {
			t.Helper()
			if n := len(h.Log.All("decision")); got != want || n != decisions {
				t.Errorf("%s: answer %q, want %q; %d decisions are logged, want %d", what, got, want, n, decisions)
			}
		}
		says("RCPT", a.rcpt("me@example.org"), accepted, 0)
		says("DATA", a.data(), mtatest.Greylisted, 1)
		says("DATA again", a.data(), mtatest.Greylisted, 1)
		a.next()
		h.Clock.Advance(600)
		says("RCPT", a.rcpt("me@example.org"), accepted, 1)
		says("DATA", a.data(), soon, 2)
		says("DATA again", a.data(), soon, 2)
		says("one more RCPT", a.rcpt("you@example.org"), accepted, 2)
		says("DATA with it", a.data(), mtatest.Greylisted, 3)
		says("DATA with it again", a.data(), mtatest.Greylisted, 3)
		a.next()
		h.Clock.Advance(3000)
		says("RCPT", a.rcpt("me@example.org"), accepted, 3)
		says("DATA", a.data(), accepted, 4)
		says("DATA again", a.data(), accepted, 4)
	}
	t.Run("milter", func(t *testing.T) {
		h := newMilter(t)
		m := h.MTA(t).Greet()
		m.Mail("")
		try(t, h, mtatest.Continue, asker{m.Rcpt, m.Data, func() { m.Abort(); m.Mail("") }})
		m.Quit()
	})
	t.Run("policy", func(t *testing.T) {
		h := newPolicy(t)
		client, instance := h.Policy(t), "1"
		try(t, h, mtatest.Dunno, asker{
			func(r string) string { return client.Ask(mtatest.Bounce("RCPT", instance, r)...) },
			func() string { return client.Ask(mtatest.Bounce("DATA", instance, "")...) },
			func() { instance += "1" },
		})
	})
}

// A message that was refused at DATA for one recipient is so with another one, who
// alone would be let through.
func TestRcptAfterRefusedData(t *testing.T) {
	try := func(t *testing.T, h *mtatest.Fixture, rcpt func(string) string, data func() string) {
		t.Helper()
		known, err := greylist.DefaultIdentity.Triplet(greylist.ParseClient("192.0.2.7"), "", "you@example.org")
		if err != nil {
			t.Fatal(err)
		}
		now := h.Clock.Now().Unix()
		h.Store.Put(t, known, greylist.Entry{FirstSeen: now - 9999, LastSeen: now, PassedAt: now})
		rcpt("me@example.org")
		if got := data(); got != mtatest.Greylisted {
			t.Errorf("DATA: %q", got)
		}
		rcpt("you@example.org")
		if got := data(); got != mtatest.Greylisted {
			t.Errorf("DATA with one more, who is known: %q", got)
		}
	}
	t.Run("milter", func(t *testing.T) {
		h := newMilter(t)
		m := h.MTA(t).Greet()
		m.Mail("")
		try(t, h, m.Rcpt, m.Data)
	})
	t.Run("policy", func(t *testing.T) {
		h := newPolicy(t)
		c := h.Policy(t)
		try(t, h,
			func(r string) string { return c.Ask(mtatest.Bounce("RCPT", "1", r)...) },
			func() string { return c.Ask(mtatest.Bounce("DATA", "1", "")...) })
	})
}
