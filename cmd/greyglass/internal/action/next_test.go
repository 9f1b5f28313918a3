package action

import (
	"errors"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/judge"
	"greyglass/greylist/rules"
)

// TestNext holds what is said of the next attempt.
func TestNext(t *testing.T) {
	steps := []rules.Step{{Rule: "local client", Says: "client has a network address"}, {Rule: "blocked sender", Says: "sender is blocked"}}
	ruled := func(v greylist.Verdict, r greylist.Reason) judge.Explanation {
		return judge.Explanation{Steps: steps, Answer: judge.Answer{Verdict: v, Reason: r}}
	}
	greylisted := func(a judge.Answer) judge.Explanation {
		return judge.Explanation{Steps: steps, Answer: a, Greylisted: true}
	}
	for _, c := range []struct {
		x        judge.Explanation
		known    bool
		err      error
		words    string
		expected bool
	}{
		{greylisted(judge.Answer{Verdict: greylist.Accept, Reason: greylist.ReasonAlreadyGrey}), true, nil, "accepted at the sender's next attempt", true},
		{greylisted(judge.Answer{Verdict: greylist.Accept, Reason: greylist.ReasonAlreadyGrey}), false, nil, "accepted at the sender's next attempt", true},
		{greylisted(judge.Answer{Verdict: greylist.Defer, Reason: greylist.ReasonNotSeenBefore, Wait: 3600}), true, nil, "deferred at the sender's next attempt; a retry passes 1 hour later", true},
		{greylisted(judge.Answer{Verdict: greylist.Accept, Reason: greylist.ReasonNotSeenBefore, Wait: 3600, Observed: true}), true, nil, "accepted at the sender's next attempt in any case: greylisting only observes", true},
		{ruled(greylist.Accept, greylist.ReasonAllowedClient), true, nil, "accepted at the sender's next attempt in any case (allowed-client: sender is blocked)", true},
		{ruled(greylist.Accept, greylist.ReasonAllowedClient), false, nil, "accepted at the sender's next attempt in any case (allowed-client: sender is blocked)", true},
		{ruled(greylist.Defer, greylist.ReasonBlocked), true, nil, "the sender's next attempt will be deferred all the same (blocked: sender is blocked)", false},
		{ruled(greylist.Deny, greylist.ReasonBlocked), true, nil, "the sender's next attempt will be denied all the same (blocked: sender is blocked)", false},
		{ruled(greylist.Deny, greylist.ReasonBlocked), false, nil,
			"the sender's next attempt may be denied all the same (blocked: sender is blocked): that depends on the names of the client, which are not known here", false},
		{ruled(greylist.Accept, greylist.ReasonError), true, errors.New("out of order"),
			"the rules cannot be asked, and as long as that fails the sender's next attempt will be accepted (store.on_error): out of order", false},
	} {
		if words, expected := Next(c.x, c.known, c.err); words != c.words || expected != c.expected {
			t.Errorf("%+v: %q, %v; want %q, %v", c.x.Answer, words, expected, c.words, c.expected)
		}
	}
}
