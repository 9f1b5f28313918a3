package judge

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// expectations makes expectations of bob and carl, written when the clock of the court showed now.
func expectations(now int64) []greylist.Expectation {
	return []greylist.Expectation{
		{Recipient: "bob@example.org", Sender: "@example.net", Since: now, Until: now + 1800},
		{Recipient: "bob@example.org", Sender: "@*.example.net", Since: now, Until: now + 600},
		{Recipient: "bob@example.org", Sender: "<>", Since: now, Until: now + 1800, Once: true},
		{Recipient: "bob@example.org", Sender: "@blocked.example", Since: now, Until: now + 1800},
		{Recipient: "carl@example.org", Sender: "*", Since: now, Until: now + 1800, Once: true},
		{Recipient: "dora@example.org", Sender: "no pattern", Since: now, Until: now + 1800},
	}
}

// TestExpected: what is expected is accepted while the time lasts, before the ordered rules
// and after the lists, and an expectation for one recipient once.
func TestExpected(t *testing.T) {
	p := newPolicy(t)
	config := rules.Config{
		Blocked: mustPatterns(t, 0, "@blocked.example"), BlockedVerdict: greylist.Deny,
		Ordered: []rules.Rule{{Name: "deny", When: `true`, Then: greylist.Deny}},
	}
	p.Rules = mustCompile(t, config)
	c := newCourt(p)
	start := c.clock
	for _, e := range expectations(start) {
		if err := c.store.Expect(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	c.Expect(expectations(start))
	for _, step := range []struct {
		after             int64
		sender, recipient string
		reason            greylist.Reason
	}{
		{0, "<Ann@Example.NET>", "<Bob@example.org>", greylist.ReasonExpected},
		{0, "ann@example.net", "bob@example.org", greylist.ReasonExpected},
		{0, "ann@mx.example.net", "bob@example.org", greylist.ReasonExpected},
		{0, "ann@example.com", "bob@example.org", "rule:deny"},
		{0, "ann@example.net", "bob@example.com", "rule:deny"},
		{0, "", "bob@example.org", greylist.ReasonExpected},
		{0, "", "bob@example.org", "rule:deny"},
		{0, "ann@blocked.example", "bob@example.org", greylist.ReasonBlocked},
		{0, "ann@example.net", "dora@example.org", "rule:deny"},
		{599, "ann@mx.example.net", "bob@example.org", greylist.ReasonExpected},
		{600, "ann@mx.example.net", "bob@example.org", "rule:deny"},
		{600, "ann@example.com", "carl@example.org", greylist.ReasonExpected},
		{600, "ann@example.com", "carl@example.org", "rule:deny"},
		{1799, "ann@example.net", "bob@example.org", greylist.ReasonExpected},
		{1800, "ann@example.net", "bob@example.org", "rule:deny"},
		{-86400, "ann@example.net", "bob@example.org", greylist.ReasonExpected}, // the clock is set back
	} {
		c.clock = start + step.after
		a := unknownAttempt
		a.Sender, a.Recipient = step.sender, step.recipient
		c.Expect(expectations(start)) // as another daemon's snapshot: it does not say what was used
		x, err := p.Explain(t.Context(), c.store, a, c.clock)
		if err != nil || x.Answer.Reason != step.reason {
			t.Errorf("after %d s, %s to %s: explained %s, %v; want %s", step.after, step.sender, step.recipient, x.Answer.Reason, err, step.reason)
		}
		if got, pending := c.Recipient(t.Context(), nil, a); got.Reason != step.reason || pending != nil {
			t.Errorf("after %d s, %s to %s: %s, want %s", step.after, step.sender, step.recipient, got.Reason, step.reason)
		}
	}
	if n := len(c.store.Rows(t)); n != 0 {
		t.Errorf("%d triplets are remembered", n)
	}
}

// TestExpectedInWords: explain says what is expected.
func TestExpectedInWords(t *testing.T) {
	p := newPolicy(t)
	c := newCourt(p)
	for _, step := range []struct{ sender, recipient, want string }{
		{"ann@example.net", "bob@example.org", "mail to the recipient from @example.net is expected until 1970-04-26 18:16:40 UTC"},
		{"ann@example.com", "carl@example.org", "mail to the recipient is expected until 1970-04-26 18:16:40 UTC, once"},
		{"ann@example.com", "bob@example.org", "mail to the recipient is expected from <>, @*.example.net, @blocked.example, @example.net only"},
		{"ann@example.com", "dora@example.org", "no mail to the recipient is expected"},
	} {
		for _, e := range expectations(c.clock) {
			if err := c.store.Expect(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		a := unknownAttempt
		a.Sender, a.Recipient = step.sender, step.recipient
		x, err := p.Explain(t.Context(), c.store, a, c.clock)
		if err != nil {
			t.Fatal(err)
		}
		var answers []rules.Step
		for _, s := range x.Steps {
			if s.Ruling != nil {
				answers = append(answers, s)
			}
			if s.Rule == "expected mail" && !strings.HasPrefix(s.Says, step.want) {
				t.Errorf("%s to %s: %q, want %q", step.sender, step.recipient, s.Says, step.want)
			}
		}
		if len(answers) != 1 && !x.Greylisted || len(answers) > 0 && (answers[0] != x.Steps[len(x.Steps)-1] || answers[0].Ruling.Reason != x.Answer.Reason) {
			t.Errorf("%s to %s: these steps answer %s: %+v", step.sender, step.recipient, x.Answer.Reason, answers)
		}
	}
}

// TestExpectedOnce: of recipients at the same time, one is accepted.
func TestExpectedOnce(t *testing.T) {
	c := newCourt(newPolicy(t))
	e := greylist.Expectation{Recipient: "john@example.org", Sender: "*", Since: c.clock, Until: c.clock + 60, Once: true}
	if err := c.store.Expect(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	c.Expect([]greylist.Expectation{e})
	var accepted atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if c.AtOnce(t.Context(), nil, unknownAttempt).Reason == greylist.ReasonExpected {
				accepted.Add(1)
			}
		})
	}
	wg.Wait()
	if n := accepted.Load(); n != 1 {
		t.Errorf("%d were accepted", n)
	}
}

// TestExpectedFails: an expectation that cannot be marked as used is answered by on_error;
// one that need not be is answered without the store.
func TestExpectedFails(t *testing.T) {
	p := newPolicy(t)
	p.OnError = greylist.Defer
	c := newCourt(p)
	c.store.Fail(errors.New("disk full"))
	e := greylist.Expectation{Recipient: "john@example.org", Sender: "*", Since: c.clock, Until: c.clock + 60, Once: true}
	c.Expect([]greylist.Expectation{e})
	c.wantReason(t, unknownAttempt, greylist.ReasonError)
	e.Once = false
	c.Expect([]greylist.Expectation{e})
	c.wantReason(t, unknownAttempt, greylist.ReasonExpected)
}

// TestPrecedesExpected: whose mail would not get as far as an expectation.
func TestPrecedesExpected(t *testing.T) {
	p := newPolicy(t)
	p.Rules = mustCompile(t, rules.Config{
		Blocked: mustPatterns(t, 0, "@blocked.example", "@*.blocked.example", "spam@example.net", "<>"), BlockedVerdict: greylist.Deny,
		AllowedDomains: []string{"example.org"}, ForeignVerdict: greylist.Defer,
		Ordered: []rules.Rule{{Name: "deny", When: `true`, Then: greylist.Deny}},
	})
	for _, c := range []struct {
		sender, recipient string
		want              greylist.Reason
	}{
		{"*", "bob@example.org", ""},
		{"@example.net", "bob@example.org", ""},
		{"@*.example.net", "bob@example.org", ""},
		{"ann@example.net", "bob@example.org", ""},
		{"spam@example.net", "bob@example.org", greylist.ReasonBlocked},
		{"ann@blocked.example", "bob@example.org", greylist.ReasonBlocked},
		{"@blocked.example", "bob@example.org", greylist.ReasonBlocked},
		{"@*.blocked.example", "bob@example.org", greylist.ReasonBlocked},
		{"<>", "bob@example.org", greylist.ReasonBlocked},
		{"*", "bob@example.com", greylist.ReasonForeignDomain},
	} {
		ruling, err := p.PrecedesExpected(t.Context(), greylist.Expectation{Recipient: c.recipient, Sender: c.sender, Since: 1, Until: 2})
		got := greylist.Reason("")
		if ruling != nil {
			got = ruling.Reason
		}
		if err != nil || got != c.want {
			t.Errorf("%s to %s: %q, %v; want %q", c.sender, c.recipient, got, err, c.want)
		}
	}
}
