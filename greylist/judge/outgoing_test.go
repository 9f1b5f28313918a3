package judge

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// outgoingPolicy is a policy by which mail of users teaches; it greylists what comes for
// suspects, and has a rule of its own about correspondents.
func outgoingPolicy(t testing.TB, change func(*rules.Config)) *Policy {
	p := newPolicy(t)
	p.Outgoing = greylist.Outgoing{Keep: 90 * 24 * greylist.Hour}
	if err := p.Outgoing.Domains.AddDomain("example.org"); err != nil {
		t.Fatal(err)
	}
	c := rules.Config{AcceptLoopback: true, AllowedSenders: []string{"198.51.100.7"}, Ordered: []rules.Rule{
		{Name: "suspects", When: `recipient_local == "suspect"`, Then: rules.Greylist},
		{Name: "friends", When: `correspondent && recipient_local == "friend"`, Then: greylist.Accept},
	}}
	if change != nil {
		change(&c)
	}
	p.Rules = mustCompile(t, c)
	return p
}

// written is mail that a user sends from a client of ours.
func written(sender, recipient string) greylist.Attempt {
	return greylist.Attempt{Client: greylist.ParseClient("192.0.2.99"), Authenticated: true, Sender: sender, Recipient: recipient}
}

// received is mail of an unknown client.
func received(sender, recipient string) greylist.Attempt {
	return greylist.Attempt{Client: greylist.ParseClient("192.0.2.7"), Sender: sender, Recipient: recipient}
}

// TestCorrespondent: a user writes, and the reply is accepted at once; nothing else is.
func TestCorrespondent(t *testing.T) {
	c := newCourt(outgoingPolicy(t, nil))
	const bob, ann = "bob@example.org", "ann@example.net"
	c.wantReason(t, received(ann, bob), greylist.ReasonNotSeenBefore)
	c.wantReason(t, written("bob+shop@example.org", "Ann@Example.net"), greylist.ReasonAuthenticated)
	c.wantReason(t, written(bob, "suspicious@example.net"), greylist.ReasonAuthenticated)
	c.wantReason(t, written("friend@example.org", ann), greylist.ReasonAuthenticated)
	c.wantReason(t, written("suspect@example.org", ann), greylist.ReasonAuthenticated)
	for _, reply := range []struct {
		sender, recipient string
		want              greylist.Reason
	}{
		{ann, bob, greylist.ReasonCorrespondent},
		{"prvs=1234abcdef=ann@example.net", bob, greylist.ReasonCorrespondent},
		{"ann+tag@example.net", "bob+list@example.org", greylist.ReasonCorrespondent},
		{ann, "carol@example.org", greylist.ReasonNotSeenBefore},
		{"eve@example.net", bob, greylist.ReasonNotSeenBefore},
		{"", bob, greylist.ReasonNotSeenBefore},
		{"", "prvs=1234abcdef=bob@example.org", greylist.ReasonNotSeenBefore}, // a bounce to our own BATV
		{ann, "friend@example.org", "rule:friends"},
		{ann, "suspect@example.org", greylist.ReasonNotSeenBefore}, // a rule says greylist
		{bob, ann, greylist.ReasonNotSeenBefore},
	} {
		c.wantReason(t, received(reply.sender, reply.recipient), reply.want)
	}

	// It costs a write an hour, and is forgotten when the user has not written for long.
	before, _ := c.store.Updates()
	for range 10 {
		c.wantReason(t, written(bob, ann), greylist.ReasonAuthenticated)
	}
	if now, _ := c.store.Updates(); now != before {
		t.Errorf("%d updates within the hour", now-before)
	}
	for range 100 {
		c.clock += 1800
		c.wantReason(t, written(bob, ann), greylist.ReasonAuthenticated)
	}
	if now, _ := c.store.Updates(); now-before != 50 {
		t.Errorf("%d updates in 50 hours", now-before)
	}
	c.clock += 90 * 24 * greylist.Hour
	c.wantReason(t, received(ann, bob), greylist.ReasonCorrespondent)
	c.clock++
	c.wantReason(t, received(ann, bob), greylist.ReasonTooLate)

	// A clock that is set back shortens nothing, and what it had written becomes now.
	c.wantReason(t, written(bob, ann), greylist.ReasonAuthenticated)
	c.clock -= 300 * 24 * greylist.Hour
	c.wantReason(t, received(ann, bob), greylist.ReasonCorrespondent)
	c.wantReason(t, written(bob, ann), greylist.ReasonAuthenticated)
	e, err := c.store.Correspondent(t.Context(), greylist.Correspondent{Local: bob, Remote: ann})
	if err != nil || e == nil || e.LastSeen != c.clock {
		t.Errorf("%+v, %v; want it seen at %d", e, err, c.clock)
	}
}

// TestWhoWrites: whose mail teaches.
func TestWhoWrites(t *testing.T) {
	for _, test := range []struct {
		name  string
		a     greylist.Attempt
		notes bool
	}{
		{"an authenticated client", greylist.Attempt{Client: greylist.ParseClient("192.0.2.7"), Authenticated: true}, true},
		{"this machine", greylist.Attempt{Client: greylist.ParseClient("127.0.0.1")}, true},
		{"no address", greylist.Attempt{Client: greylist.LocalClient("local")}, true},
		{"an allowed client", greylist.Attempt{Client: greylist.ParseClient("198.51.100.7")}, true},
		{"a verified certificate that counts for nothing", greylist.Attempt{Client: greylist.ParseClient("192.0.2.7"), VerifiedTLS: true}, false},
		{"an unknown client", greylist.Attempt{Client: greylist.ParseClient("192.0.2.7")}, false},
	} {
		for _, off := range []bool{false, true} {
			p := outgoingPolicy(t, nil)
			if off {
				p.Outgoing = greylist.Outgoing{Keep: p.Outgoing.Keep}
			}
			c := newCourt(p)
			lookups := 0
			c.store.Before(func(context.Context) error { lookups++; return nil })
			test.a.Sender, test.a.Recipient = "bob@example.org", "ann@example.net"
			c.AtOnce(t.Context(), nil, test.a)
			st, err := c.store.Stats(t.Context())
			if want := int64(0); err != nil || (st.Correspondents != want) != (test.notes && !off) {
				t.Errorf("%s, off=%t: %+v, %v", test.name, off, st, err)
			}
			if off && test.notes && lookups > 0 {
				t.Errorf("%s: %d look-ups although outgoing mail teaches nothing", test.name, lookups)
			}
		}
	}
}

// TestObservedMailTeaches: also where the greylist only observes.
func TestObservedMailTeaches(t *testing.T) {
	p := outgoingPolicy(t, nil)
	p.Observe = true
	c := newCourt(p)
	c.wantReason(t, written("bob@example.org", "ann@example.net"), greylist.ReasonAuthenticated)
	c.wantReason(t, received("ann@example.net", "bob@example.org"), greylist.ReasonCorrespondent)
}

// spfOf is a look-up that answers with one result of SPF.
type spfOf struct {
	rules.Lookup
	result string
	asked  *int
}

func (l spfOf) SPF(context.Context, netip.Addr, string, string) rules.SPF {
	*l.asked++
	return rules.SPF{Result: l.result, Why: "v=spf1 test"}
}

// TestCorrespondentWithSPF: a reply counts only if SPF passes, which is looked up for
// correspondents alone.
func TestCorrespondentWithSPF(t *testing.T) {
	for result, want := range map[string]greylist.Reason{
		rules.SPFPass: greylist.ReasonCorrespondent, rules.SPFFail: greylist.ReasonNotSeenBefore,
		rules.SPFNone: greylist.ReasonNotSeenBefore, rules.SPFTempError: greylist.ReasonNotSeenBefore,
	} {
		asked := 0
		p := outgoingPolicy(t, func(c *rules.Config) { c.Lookup, c.LookupTimeout = spfOf{result: result, asked: &asked}, time.Second })
		p.Outgoing.RequiresSPF = true
		if !p.AsksDNS() {
			t.Error("the policy asks no DNS")
		}
		c := newCourt(p)
		c.wantReason(t, written("bob@example.org", "ann@example.net"), greylist.ReasonAuthenticated)
		c.wantReason(t, received("eve@example.net", "bob@example.org"), greylist.ReasonNotSeenBefore)
		if asked != 0 {
			t.Errorf("%s: SPF is asked for mail of others", result)
		}
		c.wantReason(t, received("ann@example.net", "bob@example.org"), want)
		if asked != 1 {
			t.Errorf("%s: SPF is asked %d times", result, asked)
		}
	}
}

// TestOutgoingWhileMemoryFails: outgoing mail is accepted whatever the memory does, and
// waits for it once; the failure is logged, but counts as no failed answer.
func TestOutgoingWhileMemoryFails(t *testing.T) {
	p := outgoingPolicy(t, nil)
	p.OnError, p.Timeout = greylist.Defer, 20*time.Millisecond
	c := newCourt(p)
	began, release := c.store.Hold()
	defer close(release)
	start := time.Now()
	c.wantReason(t, written("bob@example.org", "ann@example.net"), greylist.ReasonAuthenticated)
	if took := time.Since(start); took < p.Timeout || took > time.Minute {
		t.Errorf("the answer took %s", took)
	}
	<-began
	c.store.Before(nil)
	c.store.Fail(errors.New("disk I/O error"))
	for range 3 {
		c.wantReason(t, written("bob@example.org", "ann@example.net"), greylist.ReasonAuthenticated)
	}
	c.wantReason(t, received("ann@example.net", "bob@example.org"), greylist.ReasonError)
	if since, failed := c.Outage(); since.IsZero() || failed != 1 {
		t.Errorf("%d answers failed since %s", failed, since)
	}
	if !strings.Contains(c.log.String(), eventFailing) {
		t.Errorf("logged %s", &c.log)
	}
	if p.OnError = greylist.Accept; c.Counters().Panics() != 0 {
		t.Error("it panicked")
	}
}

// TestPanicWhileNoting: a bug there changes no answer.
func TestPanicWhileNoting(t *testing.T) {
	c := newCourt(outgoingPolicy(t, nil))
	c.store.Before(func(context.Context) error { panic("a bug") })
	c.wantReason(t, written("bob@example.org", "ann@example.net"), greylist.ReasonAuthenticated)
	if c.Counters().Panics() != 1 {
		t.Error("the panic is not counted")
	}
}

// TestExplainCorrespondent: the rule says in words what is known.
func TestExplainCorrespondent(t *testing.T) {
	p := outgoingPolicy(t, nil)
	c := newCourt(p)
	c.wantReason(t, written("bob@example.org", "ann@example.net"), greylist.ReasonAuthenticated)
	step := func(p *Policy, a greylist.Attempt, now int64) string {
		x, err := p.Explain(t.Context(), c.store, a, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range x.Steps {
			if s.Rule == "correspondent" {
				return s.Says
			}
		}
		return "not asked"
	}
	off := *p
	off.Outgoing = greylist.Outgoing{}
	spf := *p
	spf.Outgoing.RequiresSPF = true
	for _, e := range []struct {
		p    *Policy
		a    greylist.Attempt
		now  int64
		want string
	}{
		{p, received("ann@example.net", "bob@example.org"), c.clock, "bob@example.org has written to ann@example.net, last at 1970-04-26 17:46:40 UTC"},
		{&spf, received("ann@example.net", "bob@example.org"), c.clock,
			"bob@example.org has written to ann@example.net, last at 1970-04-26 17:46:40 UTC; SPF is none: not looked up, and learn.outbound_requires_spf is on"},
		{p, received("ann@example.net", "bob@example.org"), c.clock + 91*24*greylist.Hour, "bob@example.org has not written to ann@example.net since 1970-04-26 17:46:40 UTC"},
		{p, received("eve@example.net", "bob@example.org"), c.clock, "bob@example.org has not written to eve@example.net"},
		{p, received("", "bob@example.org"), c.clock, "mail of the null sender is no reply"},
		{p, received("ann@example.net", "dan@example.com"), c.clock, "the mail does not come from outside to a user"},
		{&off, received("ann@example.net", "bob@example.org"), c.clock, "learn.outbound is off, so there are no correspondents"},
		{p, received("ann@example.net", "suspect@example.org"), c.clock, "not asked"},
	} {
		if got := step(e.p, e.a, e.now); got != e.want {
			t.Errorf("%s to %s: %q, want %q", e.a.Sender, e.a.Recipient, got, e.want)
		}
	}
}
