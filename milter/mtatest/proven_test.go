package mtatest_test

import (
	"fmt"
	"testing"

	"greyglass/greylist"
	ordered "greyglass/greylist/rules"
	"greyglass/milter/mtatest"
)

// A client proves itself and is accepted at once, by milter and by policy; a rule that
// greylists is stronger, and the null sender counts at DATA.
func TestProvenClient(t *testing.T) {
	for _, e := range byBoth {
		t.Run(e.via, func(t *testing.T) {
			h := e.on(t, func(s *mtatest.Setup) {
				s.Policy.Proving = greylist.Proving{After: 2, MaxGrey: s.Policy.Windows.MaxGrey}
				s.Rules.Ordered = []ordered.Rule{{Name: "suspect", When: `recipient_local == "suspect"`, Then: ordered.Greylist}}
			})
			for i, step := range []struct {
				after             int64  // seconds
				sender, recipient string // "-": the null sender
				reason            greylist.Reason
				proven            int64 // triplets that count, afterwards
			}{
				{0, "ann@example.net", "a@example.org", greylist.ReasonNotSeenBefore, 0},
				{0, "ann@example.net", "b@example.org", greylist.ReasonNotSeenBefore, 0},
				{0, "-", "a@example.org", greylist.ReasonNotSeenBefore, 0},
				{3600, "ann@example.net", "a@example.org", greylist.ReasonNowGrey, 1},
				{1, "ann@example.net", "b@example.org", greylist.ReasonNowGrey, 1},
				{0, "ann@example.net", "c@example.org", greylist.ReasonNotSeenBefore, 1},
				{3599, "-", "a@example.org", greylist.ReasonNowGrey, 2},
				{0, "ann@example.net", "c@example.org", greylist.ReasonProvenClient, 2},
				{0, "-", "d@example.org", greylist.ReasonProvenClient, 2},
				{0, "ann@example.net", "suspect@example.org", greylist.ReasonNotSeenBefore, 2},
				{-1_000_000, "ann@example.net", "c@example.org", greylist.ReasonProvenClient, 2}, // the clock was set back
				{3_000_000, "ann@example.net", "c@example.org", greylist.ReasonProvenClient, 2},
				{3_000_001, "ann@example.net", "c@example.org", greylist.ReasonTooLate, 2},
			} {
				h.Clock.Advance(step.after)
				s := e.session(t, h)
				s.mail(attempt{client: "2001:db8:1:2::7", sender: step.sender}.completed())
				reply := s.rcpt(step.recipient, step.recipient)
				if reply == accepted {
					reply = s.data()
				}
				s.quit()
				want := greylist.Accept
				if step.reason == greylist.ReasonNotSeenBefore || step.reason == greylist.ReasonTooLate {
					want = greylist.Defer
				}
				if verdictOf(reply) != want {
					t.Errorf("step %d: answer %q", i, reply)
				}
				h.Judged(t, step.reason, want)
				if got := h.Log.Last("decision")["identity"]; got != "2001:db8:1:2::/64" {
					t.Errorf("step %d: logged identity %q", i, got)
				}
				known, err := h.Store.Client(t.Context(), "2001:db8:1:2::/64")
				if err != nil || (known == nil) != (step.proven == 0) || known != nil && known.Passed != step.proven {
					t.Errorf("step %d: %s, %v; want %d triplets", i, fmt.Sprint(known), err, step.proven)
				}
			}
		})
	}
}
