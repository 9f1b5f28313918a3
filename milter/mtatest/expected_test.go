package mtatest_test

import (
	"testing"

	"greyglass/greylist"
)

// Expected mail is accepted at RCPT, by milter and by policy, also a bounce; an expectation
// for one recipient holds for one of a message.
func TestExpected(t *testing.T) {
	for _, e := range byBoth {
		t.Run(e.via, func(t *testing.T) {
			h := e.on(t, nil)
			now := h.Clock.Now().Unix()
			known := greylist.Triplet{Client: "192.0.2.7", Sender: "ann@example.org", Recipient: "b@example.org"}
			if _, err := h.Store.Update(t.Context(), []greylist.Triplet{known}, func([]*greylist.Entry) greylist.Decision {
				return greylist.Decision{Remember: greylist.PassNow(nil, now)}
			}); err != nil {
				t.Fatal(err)
			}
			all := []greylist.Expectation{
				{Recipient: "a@example.org", Sender: "@example.net", Since: now, Until: now + 600},
				{Recipient: "b@example.org", Sender: "*", Since: now, Until: now + 600, Once: true},
				{Recipient: "c@example.org", Sender: "<>", Since: now, Until: now + 600},
			}
			for _, expected := range all {
				if err := h.Store.Expect(t.Context(), expected); err != nil {
					t.Fatal(err)
				}
			}
			h.Judge.Expect(all)
			for i, step := range []struct {
				after             int64  // seconds
				sender, recipient string // "-": the null sender
				reason            greylist.Reason
			}{
				{0, "ann@example.net", "A@example.org", greylist.ReasonExpected},
				{599, "ann@example.net", "a@example.org", greylist.ReasonExpected},
				{0, "ann@example.org", "b@example.org", greylist.ReasonAlreadyGrey}, // which uses nothing
				{0, "ann@example.com", "b@example.org", greylist.ReasonExpected},
				{0, "ann@example.com", "b@example.org", greylist.ReasonWayTooSoon},
				{0, "-", "c@example.org", greylist.ReasonExpected},
				{1, "ann@example.net", "a@example.org", greylist.ReasonNotSeenBefore},
			} {
				h.Clock.Advance(step.after)
				s := e.session(t, h)
				s.mail(attempt{client: "192.0.2.7", sender: step.sender}.completed())
				reply := s.rcpt(step.recipient, step.recipient)
				s.quit()
				want := greylist.Accept
				if step.reason != greylist.ReasonExpected && step.reason != greylist.ReasonAlreadyGrey {
					want = greylist.Defer
				}
				if verdictOf(reply) != want {
					t.Errorf("step %d: answer %q", i, reply)
				}
				h.Judged(t, step.reason, want)
			}
		})
	}
}
