package judge

import (
	"errors"
	"maps"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/storetest/faulty"
)

// TestExplainAgreesWithJudge puts the same attempts, at the same time and with
// the same memory, to both. An explanation is no attempt: it stores nothing.
func TestExplainAgreesWithJudge(t *testing.T) {
	const now = 10_000_000
	waiting := func(age int64) greylist.Entry {
		return greylist.Entry{FirstSeen: now - age, LastSeen: now - age, Deferred: 1}
	}
	passed := func(age int64) greylist.Entry {
		return greylist.Entry{FirstSeen: now - age - 4000, LastSeen: now - age, PassedAt: now - age, Accepted: 1}
	}
	remembered := map[string]greylist.Entry{ // by recipient
		"w0@example.org":       waiting(0),
		"w179@example.org":     waiting(179),
		"w180@example.org":     waiting(180),
		"w3599@example.org":    waiting(3599),
		"w3600@example.org":    waiting(3600),
		"w25000@example.org":   waiting(25_000),
		"w25001@example.org":   waiting(25_001),
		"wfuture@example.org":  waiting(-500),
		"p0@example.org":       passed(0),
		"p3600@example.org":    passed(3600),
		"p3000000@example.org": passed(3_000_000),
		"p3000001@example.org": passed(3_000_001),
		"pfuture@example.org":  passed(-500),
	}
	attempts := []greylist.Attempt{
		{Client: greylist.LocalClient("local"), Sender: "a@example.com", Recipient: "john@example.org"},
		{Client: greylist.ParseClient("127.0.0.1"), Sender: "a@example.com", Recipient: "john@example.org"},
		{Client: greylist.ParseClient("192.0.2.7"), Sender: "a@blocked.example", Recipient: "john@example.org"},
		{Client: greylist.ParseClient("192.0.2.7"), Sender: "a@example.com", Recipient: "john@example.org", Authenticated: true},
		{Client: greylist.ParseClient("192.0.2.7"), Sender: "a@example.com", Recipient: "john@example.org", VerifiedTLS: true},
		{Client: greylist.ParseClient("198.51.100.7"), Sender: "a@example.com", Recipient: "john@example.org"},
		{Client: greylist.ParseClient("198.51.100.7"), Sender: "<>", Recipient: "john@example.org"},
		{Client: greylist.ParseClient("unknown"), Sender: "a@example.com", Recipient: "john@example.org"},
		{Client: greylist.ParseClient("unknown"), Sender: "<>", Recipient: "john@example.org"},
		{Client: greylist.ParseClient("192.0.2.7"), Sender: "<A@Example.com>", Recipient: "<Unseen@example.org>"},
		{Client: greylist.ParseClient("2001:db8::7"), Sender: "a@example.com", Recipient: "p0@example.org"},
	}
	for recipient := range remembered {
		for _, sender := range []string{"a@example.com", "<>", "verify@example.net"} {
			attempts = append(attempts, greylist.Attempt{Client: greylist.ParseClient("192.0.2.7"), Sender: sender, Recipient: recipient})
		}
	}
	fill := func(s *faulty.Store) {
		for recipient, e := range remembered {
			for _, sender := range []string{"a@example.com", "<>"} { // verify@example.net is unseen
				s.Put(t, greylist.Triplet{Client: "192.0.2.7", Sender: sender, Recipient: recipient}, e)
			}
		}
	}
	for _, observe := range []bool{false, true} {
		for _, onError := range []greylist.Verdict{greylist.Accept, greylist.Defer} {
			p := newPolicy(t)
			p.Observe, p.OnError = observe, onError
			for _, a := range attempts {
				c := newCourt(p)
				c.clock = now
				fill(c.store)
				before := c.store.Rows(t)

				x, err := p.Explain(t.Context(), c.store, a, now)
				if updates, _ := c.store.Updates(); !maps.Equal(c.store.Rows(t), before) || updates != 0 || c.log.Len() != 0 {
					t.Errorf("%+v: the explanation left something behind", a)
				}
				if (err != nil) != (x.Answer.Reason == greylist.ReasonError) {
					t.Errorf("%+v: error %v with the reason %s", a, err, x.Answer.Reason)
				}

				answer, left := c.Recipient(t.Context(), nil, a)
				if x.AtData != (left != nil) {
					t.Errorf("%+v: judged at RCPT %v, explained to be deferred to DATA %v", a, left == nil, x.AtData)
				}
				if left != nil {
					answer = c.Data(t.Context(), "", []*Pending{left})
				}
				if !sameAnswer(x.Answer, answer) {
					t.Errorf("%+v:\nexplained %+v\n   judged %+v", a, x.Answer, answer)
				}
			}
		}
	}
}

func sameAnswer(a, b Answer) bool {
	if (a.Err == nil) != (b.Err == nil) || a.Err != nil && a.Err.Error() != b.Err.Error() {
		return false
	}
	a.Err, b.Err = nil, nil
	return a == b
}

func TestExplanation(t *testing.T) {
	p := newPolicy(t)
	entry := greylist.Entry{FirstSeen: 9_999_000, LastSeen: 9_999_000, Deferred: 1}
	triplet := greylist.Triplet{Client: "2001:db8::/64", Sender: "<>", Recipient: "john@example.org"}
	s := faulty.New()
	s.Put(t, triplet, entry)

	x, err := p.Explain(t.Context(), s, greylist.Attempt{Client: greylist.ParseClient("2001:db8::7"), Recipient: "<John@example.org>"}, 10_000_000)
	switch {
	case err != nil:
		t.Fatal(err)
	case !x.Greylisted || !x.AtData || x.Triplet != triplet || x.Remembered == nil || *x.Remembered != entry:
		t.Errorf("the greylist's part: %+v", x)
	case len(x.Steps) != 10:
		t.Errorf("%d steps, want %d", len(x.Steps), 10)
	case x.Answer.Reason != greylist.ReasonTooSoon || x.Answer.Wait != 2600:
		t.Errorf("answer %+v", x.Answer)
	}

	x, err = p.Explain(t.Context(), s, greylist.Attempt{Client: greylist.ParseClient("192.0.2.7"), Sender: "a@blocked.example"}, 10_000_000)
	if last := x.Steps[len(x.Steps)-1]; err != nil || x.Greylisted || len(x.Steps) != 2 ||
		last.Rule != "blocked sender" || last.Says != `sender is blocked by "@blocked.example", recipient is not excepted` {
		t.Errorf("blocked sender: %+v, %v", x, err)
	}
}

// TestExplainFailingMemory: the error is told, and so is what would be answered.
func TestExplainFailingMemory(t *testing.T) {
	p := newPolicy(t)
	p.OnError = greylist.Defer
	broken := errors.New("disk full")
	s := faulty.New()
	s.Fail(broken)
	x, err := p.Explain(t.Context(), s, unknownAttempt, 10_000_000)
	if !errors.Is(err, broken) || !errors.Is(x.Answer.Err, broken) || x.Answer.Verdict != greylist.Defer || x.Answer.Reply != errorReply || len(x.Steps) != 7 {
		t.Errorf("%+v, %v", x, err)
	}
}

// TestUnconvertedRows: what was remembered before internationalized domains were
// converted still counts, and is remembered in the present form from then on.
func TestUnconvertedRows(t *testing.T) {
	c := newCourt(newPolicy(t))
	a := unknownAttempt
	a.Sender = "Ann@Bücher.example"
	old := greylist.Triplet{Client: "192.0.2.7", Sender: "ann@bücher.example", Recipient: "john@example.org"}
	now := c.clock
	c.store.Put(t, old, greylist.Entry{FirstSeen: now - 9000, LastSeen: now - 5, PassedAt: now - 5, Accepted: 1})
	x, err := c.Policy().Explain(t.Context(), c.store, a, now)
	if err != nil || x.Answer.Reason != greylist.ReasonAlreadyGrey {
		t.Errorf("explained %+v, %v", x.Answer, err)
	}
	for _, sender := range []string{a.Sender, "ann@xn--bcher-kva.example", "ann@bücher.example"} {
		a.Sender = sender
		if got, _ := c.Recipient(t.Context(), nil, a); got.Reason != greylist.ReasonAlreadyGrey {
			t.Errorf("%s: %+v", sender, got)
		}
	}
	rows := c.store.Rows(t)
	if _, ok := rows[greylist.Triplet{Client: "192.0.2.7", Sender: "ann@xn--bcher-kva.example", Recipient: "john@example.org"}]; !ok {
		t.Errorf("remembered: %v", rows)
	}
}
