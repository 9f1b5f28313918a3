package mtatest_test

import (
	"fmt"
	"testing"

	"greyglass/milter/mtatest"
)

// A greylist that only observes defers nobody: not the recipient of a bounce for
// whom there is no room, either. It is judged at once.
func TestObserveNeverDefers(t *testing.T) {
	observe := func(s *mtatest.Setup) { s.Policy.Observe, s.Limits.Recipients = true, 2 }
	for name, c := range map[string]struct {
		h     *mtatest.Fixture
		start func(*mtatest.Fixture) (rcpt func(string) string, data func() string)
	}{
		"milter": {newMilter(t, observe), func(h *mtatest.Fixture) (func(string) string, func() string) {
			m := h.MTA(t).Greet()
			m.Mail("")
			return m.Rcpt, m.Data
		}},
		"policy": {newPolicy(t, observe), func(h *mtatest.Fixture) (func(string) string, func() string) {
			c := h.Policy(t)
			return func(r string) string { return c.Ask(mtatest.Bounce("RCPT", "1", r)...) },
				func() string { return c.Ask(mtatest.Bounce("DATA", "1", "")...) }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			rcpt, data := c.start(c.h)
			for i := range 4 {
				if got := rcpt(fmt.Sprintf("me%d@example.org", i)); got != mtatest.Continue && got != mtatest.Dunno {
					t.Errorf("recipient %d is answered %q", i, got)
				}
			}
			if got := data(); got != mtatest.Continue && got != mtatest.Dunno {
				t.Errorf("DATA is answered %q", got)
			}
			if n := len(c.h.Log.All("decision")); n != 4 {
				t.Errorf("%d decisions are logged", n)
			}
		})
	}
}
