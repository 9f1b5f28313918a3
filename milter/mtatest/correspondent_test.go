package mtatest_test

import (
	"testing"

	"greyglass/greylist"
	ordered "greyglass/greylist/rules"
	"greyglass/milter/mtatest"
)

// A user writes, and the reply is accepted at once, by milter and by policy.
func TestCorrespondent(t *testing.T) {
	for _, e := range byBoth {
		t.Run(e.via, func(t *testing.T) {
			h := e.on(t, func(s *mtatest.Setup) {
				s.Policy.Outgoing.Keep = 3600
				if err := s.Policy.Outgoing.Domains.AddDomain("example.org"); err != nil {
					t.Fatal(err)
				}
				s.Rules.Ordered = []ordered.Rule{{Name: "suspect", When: `recipient_local == "suspect"`, Then: ordered.Greylist}}
			})
			for i, step := range []struct {
				after   int64 // seconds
				mail    attempt
				reason  greylist.Reason
				written int64 // correspondents, afterwards
			}{
				{0, attempt{sender: "ann@example.net", recipient: "bob@example.org"}, greylist.ReasonNotSeenBefore, 0},
				{0, attempt{user: "bob", sender: "bob+shop@example.org", recipient: "Ann@Example.net"}, greylist.ReasonAuthenticated, 1},
				{0, attempt{client: "local", sender: "carol@example.org", recipient: "prvs=ann=1234abcdef@example.net"}, greylist.ReasonLocal, 2},
				{0, attempt{client: "127.0.0.1", sender: "suspect@example.org", recipient: "ann@example.net"}, greylist.ReasonLocal, 3},
				{0, attempt{user: "bob", sender: "bob@example.org", recipient: "carol@example.org"}, greylist.ReasonAuthenticated, 3},
				{0, attempt{user: "bob", sender: "-", recipient: "eve@example.net"}, greylist.ReasonAuthenticated, 3},
				{0, attempt{sender: "prvs=ann=1234abcdef@example.net", recipient: "bob@example.org"}, greylist.ReasonCorrespondent, 3},
				{0, attempt{sender: "ann@example.net", recipient: "carol+list@example.org"}, greylist.ReasonCorrespondent, 3},
				{0, attempt{sender: "ann@example.net", recipient: "dan@example.org"}, greylist.ReasonNotSeenBefore, 3},
				{0, attempt{sender: "ann@example.net", recipient: "suspect@example.org"}, greylist.ReasonNotSeenBefore, 3},
				{0, attempt{sender: "-", recipient: "bob@example.org"}, greylist.ReasonNotSeenBefore, 3},
				{3600, attempt{sender: "ann@example.net", recipient: "bob@example.org"}, greylist.ReasonCorrespondent, 3},
				{1, attempt{sender: "eve@example.net", recipient: "bob@example.org"}, greylist.ReasonNotSeenBefore, 3},
				{0, attempt{sender: "ann@example.net", recipient: "carol@example.org"}, greylist.ReasonNotSeenBefore, 3},
			} {
				h.Clock.Advance(step.after)
				a := step.mail.completed()
				s := e.session(t, h)
				s.mail(a)
				reply := s.rcpt(a.recipient, a.policyRecipient)
				if reply == accepted {
					reply = s.data()
				}
				s.quit()
				want := greylist.Accept
				if step.reason == greylist.ReasonNotSeenBefore {
					want = greylist.Defer
				}
				if verdictOf(reply) != want {
					t.Errorf("step %d: answer %q", i, reply)
				}
				h.Judged(t, step.reason, want)
				if st, err := h.Store.Stats(t.Context()); err != nil || st.Correspondents != step.written {
					t.Errorf("step %d: %+v, %v; want %d correspondents", i, st, err, step.written)
				}
			}
		})
	}
}
