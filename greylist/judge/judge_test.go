package judge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/clock"
	"greyglass/greylist/rules"
	"greyglass/sqlstore/memstore"
	"greyglass/sqlstore/storetest/faulty"
)

var errorReply = greylist.Reply{Code: 451, Enhanced: "4.3.0", Text: "Temporary error, please try again later"}

func mustCompile(t testing.TB, c rules.Config) *rules.Set {
	t.Helper()
	set, err := c.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func mustPatterns(t testing.TB, whose address.Whose, patterns ...string) address.Patterns {
	t.Helper()
	p, err := address.ParsePatterns(whose, patterns...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newPolicy is a policy whose rules accept one client, block one domain and leave the rest
// to the greylist.
func newPolicy(t testing.TB) *Policy {
	return &Policy{
		Rules: mustCompile(t, rules.Config{
			AcceptLoopback: true,
			Blocked:        mustPatterns(t, address.Senders, "@blocked.example"),
			BlockedVerdict: greylist.Deny,
			BlockedReply:   greylist.Reply{Code: 550, Enhanced: "5.7.1", Text: "Blocked"},
			AllowedSenders: []string{"198.51.100.7"},
		}),
		Windows:    greylist.DefaultWindows,
		Identity:   greylist.DefaultIdentity,
		Reply:      greylist.Reply{Code: 451, Enhanced: "4.7.1", Text: "Greylisted, please try again in {wait}"},
		Probes:     mustPatterns(t, address.Senders, "verify@example.net", "@probe.example"),
		OnError:    greylist.Accept,
		ErrorReply: errorReply,
		Timeout:    5 * time.Second,
	}
}

// court is a judge with all that it rests on.
type court struct {
	*Judge
	store *faulty.Store
	clock int64 // what the judge takes for now; Unix seconds
	log   logbook
}

func newCourt(p *Policy) *court {
	c := &court{store: faulty.New(), clock: 10_000_000}
	log := slog.New(slog.NewTextHandler(&c.log, nil))
	c.Judge = New(c.store, p, log, clock.New(func() time.Time { return time.Unix(c.clock, 0) }, log))
	return c
}

// decisions returns, and clears, the log's decisions without what comes before
// "verdict".
func (c *court) decisions() []string {
	var decisions []string
	for line := range strings.Lines(c.log.String()) {
		if _, decision, ok := strings.Cut(line, "msg=decision "); ok {
			decisions = append(decisions, strings.TrimSuffix(decision, "\n"))
		}
	}
	c.log.Reset()
	return decisions
}

// unknownAttempt is an attempt that no rule but the greylist has an answer for.
var unknownAttempt = greylist.Attempt{
	Client:    greylist.ParseClient("192.0.2.7"),
	Helo:      "mx.example.com",
	Sender:    "<Jane@example.com>",
	Recipient: "<John@example.org>",
	Via:       "milter",
}

// TestRecipient follows one triplet through its life.
func TestRecipient(t *testing.T) {
	c := newCourt(newPolicy(t))
	start := c.clock
	for _, step := range []struct {
		at      int64
		verdict greylist.Verdict
		reason  greylist.Reason
		reply   string
		writes  int // so far
	}{
		{0, greylist.Defer, greylist.ReasonNotSeenBefore, "451 4.7.1 Greylisted, please try again in 1 hour", 1},
		{179, greylist.Defer, greylist.ReasonWayTooSoon, "451 4.7.1 Greylisted, please try again in 1 hour", 2},
		{179 + 1800, greylist.Defer, greylist.ReasonTooSoon, "451 4.7.1 Greylisted, please try again in 30 minutes", 3},
		{179 + 3600, greylist.Accept, greylist.ReasonNowGrey, "", 4},
		{179 + 3600 + 3599, greylist.Accept, greylist.ReasonAlreadyGrey, "", 4}, // need not be written
		{179 + 3600 + 3600, greylist.Accept, greylist.ReasonAlreadyGrey, "", 5},
		{179 + 7200 + 3_000_001, greylist.Defer, greylist.ReasonGreyTooLong, "451 4.7.1 Greylisted, please try again in 1 hour", 6},
		{179 + 7200 + 3_000_001 + 25_001, greylist.Defer, greylist.ReasonTooLate, "451 4.7.1 Greylisted, please try again in 1 hour", 7},
	} {
		c.clock = start + step.at
		got, left := c.Recipient(t.Context(), nil, unknownAttempt)
		if left != nil || got.Verdict != step.verdict || got.Reason != step.reason || got.Err != nil || got.Observed {
			t.Fatalf("at %d: %+v, %v; want %s, %s", step.at, got, left, step.verdict, step.reason)
		}
		if reply := answerReply(got); reply != step.reply {
			t.Errorf("at %d: reply %q, want %q", step.at, reply, step.reply)
		}
		if _, writes := c.store.Updates(); writes != step.writes {
			t.Errorf("at %d: %d writes, want %d", step.at, writes, step.writes)
		}
	}
	if n := len(c.decisions()); n != 8 {
		t.Errorf("%d lines in the log, want 8", n)
	}
	rows := c.store.Rows(t)
	if _, ok := rows[greylist.Triplet{Client: "192.0.2.7", Sender: "jane@example.com", Recipient: "john@example.org"}]; !ok || len(rows) != 1 {
		t.Errorf("remembered %v", rows)
	}
}

func answerReply(a Answer) string {
	if a.Reply == (greylist.Reply{}) {
		return ""
	}
	return a.Reply.String()
}

// TestRulesComeFirst: who is judged by rules 0 to 4 is not remembered.
func TestRulesComeFirst(t *testing.T) {
	c := newCourt(newPolicy(t))
	for _, step := range []struct {
		client, sender string
		want           string
	}{
		{"127.0.0.1", "jane@example.com", "accept local"},
		{"127.0.0.1", "<>", "accept local"},
		{"192.0.2.7", "jane@blocked.example", "deny blocked 550 5.7.1 Blocked"},
		{"198.51.100.7", "jane@example.com", "accept allowed-client"},
		{"198.51.100.7", "<>", "accept allowed-client"},
		{"198.51.100.7", "verify@example.net", "accept allowed-client"},
	} {
		a := unknownAttempt
		a.Client, a.Sender = greylist.ParseClient(step.client), step.sender
		answer, left := c.Recipient(t.Context(), nil, a)
		got := strings.TrimSpace(fmt.Sprintf("%s %s %s", answer.Verdict, answer.Reason, answerReply(answer)))
		if left != nil || got != step.want {
			t.Errorf("%s %s: %s, pending %v; want %s", step.client, step.sender, got, left, step.want)
		}
	}
	if n, _ := c.store.Updates(); n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
	if n := len(c.decisions()); n != 6 {
		t.Errorf("%d lines in the log, want 6", n)
	}
}

// TestObserve: the greylist decides and remembers, but accepts. The other
// rules answer as ever.
func TestObserve(t *testing.T) {
	p := newPolicy(t)
	p.Observe = true
	c := newCourt(p)
	triplet := greylist.Triplet{Client: "192.0.2.7", Sender: "jane@example.com", Recipient: "john@example.org"}
	for _, want := range []struct {
		reason greylist.Reason
		wait   int64
	}{{greylist.ReasonNotSeenBefore, 3600}, {greylist.ReasonTooSoon, 1800}, {greylist.ReasonNowGrey, 0}, {greylist.ReasonAlreadyGrey, 0}} {
		got, left := c.Recipient(t.Context(), nil, unknownAttempt)
		if left != nil || got != (Answer{Verdict: greylist.Accept, Reason: want.reason, Wait: want.wait, Observed: true, Triplet: triplet}) {
			t.Errorf("%s: got %+v, %v", want.reason, got, left)
		}
		c.clock += 1800
	}
	for _, line := range c.decisions() {
		if !strings.HasPrefix(line, "verdict=accept ") || !strings.HasSuffix(line, " mode=observe") {
			t.Errorf("logged %s", line)
		}
	}
	blocked := unknownAttempt
	blocked.Sender = "jane@blocked.example"
	if got, _ := c.Recipient(t.Context(), nil, blocked); got.Verdict != greylist.Deny || got.Observed {
		t.Errorf("blocked sender: %+v", got)
	}
	if line := c.decisions()[0]; strings.Contains(line, "mode=") {
		t.Errorf("logged %s", line)
	}
	bounce := unknownAttempt
	bounce.Sender = "<>"
	if got := c.Data(t.Context(), "", pending(bounce)); got.Verdict != greylist.Accept {
		t.Errorf("bounce at DATA: %+v", got)
	}
}

// TestOnError: whatever keeps the greylist from answering, the policy says
// what is answered.
func TestOnError(t *testing.T) {
	for _, c := range []struct {
		name  string
		fail  func(context.Context) error
		a     greylist.Attempt
		error string
		took  time.Duration
	}{
		{"a memory that fails", func(context.Context) error { return errors.New("disk full") }, unknownAttempt, "disk full", 0},
		{"a memory that is slow", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, unknownAttempt, "context deadline exceeded", 5 * time.Second},
		{"a memory that panics", func(context.Context) error { panic("a bug") }, unknownAttempt, "panic: a bug", 0},
		{"a client without an address", nil, greylist.Attempt{Client: greylist.ParseClient("unknown"), Sender: "a@example.com", Recipient: "b@example.org"},
			`the client has no address that can be understood`, 0},
	} {
		for _, onError := range []greylist.Verdict{greylist.Accept, greylist.Defer} {
			t.Run(c.name+", "+string(onError), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPolicy(t)
					p.OnError = onError
					court := newCourt(p)
					court.store.Before(c.fail)
					check := func(got Answer) {
						t.Helper()
						if got.Verdict != onError || got.Reason != greylist.ReasonError || got.Err == nil || got.Err.Error() != c.error || got.Wait != 0 {
							t.Errorf("got %+v", got)
						}
						if want := map[greylist.Verdict]greylist.Reply{greylist.Defer: errorReply}[onError]; got.Reply != want {
							t.Errorf("reply %q, want %q", got.Reply, want)
						}
					}
					began := time.Now()
					got, left := court.Recipient(t.Context(), nil, c.a)
					if left != nil || time.Since(began) != c.took {
						t.Errorf("pending %v after %s, want %s", left, time.Since(began), c.took)
					}
					check(got)
					if log := court.decisions(); len(log) != 1 ||
						!strings.HasPrefix(log[0], fmt.Sprintf("verdict=%s reason=error ", onError)) ||
						!strings.HasSuffix(log[0], fmt.Sprintf(" took=%d.000ms error=%q", c.took.Milliseconds(), c.error)) {
						t.Errorf("logged %s", log)
					}
					// At DATA the one answer is for all.
					if got := court.Data(t.Context(), "", pending(c.a, c.a)); onError == greylist.Defer {
						check(got)
					} else if got.Verdict != greylist.Accept {
						t.Errorf("message: %+v", got)
					}
					if log := court.decisions(); len(log) != 2 {
						t.Errorf("%d lines in the log for two recipients", len(log))
					}
					want := int64(0)
					if c.name == "a memory that panics" {
						want = 3
					}
					if n := court.Counters().Panics(); n != want {
						t.Errorf("%d panics are counted, want %d", n, want)
					}
				})
			})
		}
	}
}

// TestPanicInRule: a bug in a rule is no one's deferral either, and is logged
// with its stack.
func TestPanicInRule(t *testing.T) {
	p := newPolicy(t)
	p.Rules = nil
	c := newCourt(p)
	got, left := c.Recipient(t.Context(), nil, unknownAttempt)
	if left != nil || got.Verdict != greylist.Accept || got.Reason != greylist.ReasonError {
		t.Errorf("got %+v, %v", got, left)
	}
	for _, want := range []string{"level=ERROR", "this is a bug, please report it", "rules.go", "verdict=accept reason=error"} {
		if !strings.Contains(c.log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, &c.log)
		}
	}
	if n := c.Counters().Panics(); n != 1 {
		t.Errorf("%d panics are counted", n)
	}
}

// TestClientThatLeaves: the MTA's own context ends the wait too.
func TestClientThatLeaves(t *testing.T) {
	c := newCourt(newPolicy(t))
	c.store.Before(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, _ := c.Recipient(ctx, nil, unknownAttempt); !errors.Is(got.Err, context.Canceled) {
		t.Errorf("got %+v", got)
	}
}

// TestAdopt swaps policies while attempts are judged: each answer is wholly of
// one policy, and once Adopt has returned only the new one answers.
func TestAdopt(t *testing.T) {
	policies := []*Policy{newPolicy(t), newPolicy(t)}
	for i, p := range policies {
		p.Rules = mustCompile(t, rules.Config{
			Blocked:        mustPatterns(t, address.Senders, "jane@example.com"),
			BlockedVerdict: []greylist.Verdict{greylist.Defer, greylist.Deny}[i],
			BlockedReply:   []greylist.Reply{{Code: 451, Enhanced: "4.2.2", Text: "First"}, {Code: 550, Enhanced: "5.7.1", Text: "Second"}}[i],
		})
	}
	j := New(memstore.New(), policies[0], slog.New(slog.DiscardHandler), clock.New(time.Now, slog.New(slog.DiscardHandler)))
	var judges sync.WaitGroup
	for range 4 {
		judges.Go(func() {
			for range 500 {
				got, _ := j.Recipient(context.Background(), nil, unknownAttempt)
				if reply := got.Reply.String(); (got.Verdict != greylist.Defer || reply != "451 4.2.2 First") && (got.Verdict != greylist.Deny || reply != "550 5.7.1 Second") {
					t.Errorf("%s with %q", got.Verdict, reply)
				}
			}
		})
	}
	for i := range 200 {
		j.Adopt(policies[i%2])
		if got, _ := j.Recipient(context.Background(), nil, unknownAttempt); j.Policy() != policies[i%2] || got.Verdict != []greylist.Verdict{greylist.Defer, greylist.Deny}[i%2] {
			t.Errorf("after policy %d was adopted: %+v", i%2, got)
		}
	}
	judges.Wait()
}
