package judge

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/greylist/rules"
	"greyglass/sqlstore/memstore"
)

// keys is a memory that notes under which triplets it was asked last.
type keys struct {
	*memstore.Store
	asked []string
}

func (k *keys) Update(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (greylist.Decision, error) {
	k.asked = nil
	for _, t := range triplets {
		k.asked = append(k.asked, t.Client+" "+t.Sender)
	}
	return k.Store.Update(ctx, triplets, change)
}

// identityStep is one attempt of a test of identities.
type identityStep struct {
	at     int64
	policy *Policy
	a      greylist.Attempt
	reason greylist.Reason
	wait   int64
	asked  []string // nil: not compared
}

// runIdentity lets a judge answer the steps, and compares what explain says before each, if
// they are explained.
func runIdentity(t *testing.T, explained bool, steps []identityStep) {
	t.Helper()
	const start = 10_000_000
	now := int64(start)
	log := slog.New(slog.DiscardHandler)
	memory := &keys{Store: memstore.New()}
	j := New(memory, steps[0].policy, log, clock.New(func() time.Time { return time.Unix(now, 0) }, log))
	for i, s := range steps {
		now = start + s.at
		j.Adopt(s.policy)
		x, err := s.policy.Explain(t.Context(), memory, s.a, now)
		got := j.AtOnce(t.Context(), nil, s.a)
		if !explained {
			x.Triplet = got.Triplet
		} else if err != nil || x.Answer.Reason != s.reason || x.Answer.Wait != s.wait {
			t.Errorf("step %d: explained %+v, %v; want %s, wait %d", i, x.Answer, err, s.reason, s.wait)
		}
		if got.Reason != s.reason || got.Wait != s.wait || got.Triplet != x.Triplet {
			t.Errorf("step %d: %+v; want %s, wait %d, triplet %v", i, got, s.reason, s.wait, x.Triplet)
		}
		if s.asked != nil && !slices.Equal(memory.asked, s.asked) {
			t.Errorf("step %d: asked for %q; want %q", i, memory.asked, s.asked)
		}
	}
}

// byClient is what DNS says of clients; not of those that it lacks.
type byClient map[string]rules.SPF

func (b byClient) SPF(_ context.Context, client netip.Addr, _, _ string) rules.SPF {
	if spf, ok := b[client.String()]; ok {
		return spf
	}
	return rules.SPF{Result: rules.SPFNone, Why: "no record"}
}

func (byClient) Listed(context.Context, netip.Addr, ...string) rules.Listing {
	return rules.Listing{Status: rules.NotInList}
}

func (byClient) Dynamic(name string, _ netip.Addr) bool { return strings.HasPrefix(name, "dyn") }

// TestClientIdentity: clients that are known by their provider wait once for all of its
// addresses; a wait continues, and what has passed passes, when the identity changed
// between two attempts.
func TestClientIdentity(t *testing.T) {
	spfPass := rules.SPF{Result: rules.SPFPass, Provider: "pool.example", Why: "include:_spf.pool.example"}
	provided := func(dns byClient, config ...rules.Rule) *Policy {
		p := newPolicy(t)
		p.Identity.Provider = true
		p.Rules = mustCompile(t, rules.Config{Lookup: dns, LookupTimeout: time.Second, Ordered: config})
		return p
	}
	pool := provided(byClient{"192.0.2.7": spfPass, "198.51.100.7": spfPass, "2001:db8::7": spfPass})
	noDNS := provided(byClient{"192.0.2.7": {Result: rules.SPFTempError, Why: "timed out"}})
	noRecord := provided(nil)
	catchAll := provided(byClient{"192.0.2.7": {Result: rules.SPFPass, Why: "+all"}})
	fails := provided(byClient{"192.0.2.7": {Result: rules.SPFFail, Why: "-all"}})
	address := newPolicy(t)
	both := provided(byClient{"192.0.2.7": spfPass})
	both.Identity.Normalized = true
	provider := greylist.DefaultIdentity
	provider.Provider = true
	byRule := newPolicy(t)
	byRule.Rules = mustCompile(t, rules.Config{Lookup: byClient{"192.0.2.7": spfPass}, LookupTimeout: time.Second, Ordered: []rules.Rule{
		{Name: "pools", When: `helo_name == "pool.example"`, Then: rules.Greylist, Identity: &provider},
	}})

	at := func(client, name string) greylist.Attempt {
		a := unknownAttempt
		a.Client, a.ClientName = greylist.ParseClient(client), name
		return a
	}
	bare, named := at("192.0.2.7", ""), at("192.0.2.7", "mx1.out.pool.example")
	tagged := bare
	tagged.Sender = "jane+tag@example.com"
	pooled := bare
	pooled.Helo = "pool.example"
	const (
		s     = " jane@example.com"
		byIP  = "192.0.2.7" + s
		bySPF = "spf:pool.example" + s
	)
	for _, c := range []struct {
		name  string
		steps []identityStep
	}{
		{"a pool waits once, and over both families", []identityStep{
			{0, pool, bare, "not-seen-before", 3600, []string{bySPF, byIP}},
			{3600, pool, at("198.51.100.7", ""), "now-grey", 0, []string{bySPF, "198.51.100.7" + s}},
			{3700, pool, at("2001:db8::7", "mx.other.example"), "already-grey", 0, []string{bySPF, "name:other.example" + s, "2001:db8::/64" + s}},
			{3800, pool, at("203.0.113.9", ""), "not-seen-before", 3600, []string{"203.0.113.9" + s}},
		}},
		{"without SPF, by the confirmed name", []identityStep{
			{0, noRecord, named, "not-seen-before", 3600, []string{"name:pool.example" + s, byIP}},
			{3600, noRecord, at("198.51.100.9", "mx2.pool.example."), "now-grey", 0, nil},
		}},
		{"a name that looks dynamic, or that is none, is no identity", []identityStep{
			{0, noRecord, at("192.0.2.7", "dyn7.isp.example"), "not-seen-before", 3600, []string{byIP}},
			{3600, noRecord, at("192.0.2.8", "dyn8.isp.example"), "not-seen-before", 3600, nil},
			{3700, noRecord, at("192.0.2.9", "localhost"), "not-seen-before", 3600, []string{"192.0.2.9" + s}},
		}},
		{"a catch-all record is no identity", []identityStep{
			{0, catchAll, bare, "not-seen-before", 3600, []string{byIP}},
			{3600, catchAll, named, "now-grey", 0, []string{"name:pool.example" + s, byIP}},
		}},
		{"forwarded without SRS: the client's name", []identityStep{
			{0, fails, named, "not-seen-before", 3600, []string{"name:pool.example" + s, byIP}},
		}},
		{"two senders of a botnet stay two", []identityStep{
			{0, both, from("a1@example.com"), "not-seen-before", 3600, nil},
			{3600, both, from("a2@example.com"), "not-seen-before", 3600, nil},
		}},
		{"DNS fails first", []identityStep{
			{0, noDNS, bare, "not-seen-before", 3600, []string{byIP}},
			{1000, pool, bare, "too-soon", 2600, nil},
			{3600, pool, at("198.51.100.7", ""), "now-grey", 0, nil},
		}},
		{"DNS fails when it is retried: the name tells the provider", []identityStep{
			{0, pool, named, "not-seen-before", 3600, []string{bySPF, "name:pool.example" + s, byIP}},
			{3600, noDNS, named, "now-grey", 0, []string{"name:pool.example" + s, byIP, bySPF}},
			{3700, pool, named, "already-grey", 0, nil},
			{3800, pool, bare, "already-grey", 0, nil},
		}},
		{"the name is confirmed only when it is retried", []identityStep{
			{0, noRecord, bare, "not-seen-before", 3600, nil},
			{3600, noRecord, named, "now-grey", 0, nil},
			{3700, pool, named, "already-grey", 0, nil},
		}},
		{"from address to provider, and back", []identityStep{
			{0, address, bare, "not-seen-before", 3600, []string{byIP}},
			{1000, pool, bare, "too-soon", 2600, []string{bySPF, byIP}},
			{3600, address, bare, "now-grey", 0, []string{byIP}},
			{3700, pool, bare, "already-grey", 0, nil},
			{3800, pool, at("198.51.100.7", ""), "already-grey", 0, nil},
			{4000, address, bare, "already-grey", 0, []string{byIP}},
		}},
		{"from address and exact to provider and normalized, and back", []identityStep{
			{0, address, tagged, "not-seen-before", 3600, nil},
			{3600, both, tagged, "now-grey", 0, []string{bySPF, "spf:pool.example jane+tag@example.com", byIP, "192.0.2.7 jane+tag@example.com"}},
			{3700, both, bare, "already-grey", 0, []string{bySPF, byIP}},
			{3800, pool, bare, "already-grey", 0, nil},
		}},
		{"by a rule, and without it", []identityStep{
			{0, byRule, pooled, "not-seen-before", 3600, []string{bySPF, byIP}},
			{100, byRule, at("192.0.2.8", ""), "not-seen-before", 3600, []string{"192.0.2.8" + s}}, // nothing is looked up
			{3600, byRule, pooled, "now-grey", 0, nil},
		}},
	} {
		t.Run(c.name, func(t *testing.T) { runIdentity(t, true, c.steps) })
	}
	for _, c := range []struct {
		name  string
		steps []identityStep
	}{
		{"DNS fails when it is retried: the address tells the provider", []identityStep{
			{0, pool, bare, "not-seen-before", 3600, nil},
			{3600, noDNS, bare, "now-grey", 0, []string{byIP, bySPF}},
			{3700, provided(byClient{"192.0.2.8": {Result: rules.SPFTempError, Why: "timed out"}}), at("192.0.2.8", ""), "not-seen-before", 3600, nil}, // perhaps forged
		}},
		{"a rule by provider, then none", []identityStep{
			{0, byRule, pooled, "not-seen-before", 3600, nil},
			{600, byRule, bare, "too-soon", 3000, []string{byIP, bySPF}}, // nothing is looked up
		}},
		{"the name is not confirmed when it is retried: the address tells it", []identityStep{
			{0, noRecord, named, "not-seen-before", 3600, nil},
			{3600, noRecord, bare, "now-grey", 0, []string{byIP, "name:pool.example" + s}},
		}},
	} {
		t.Run(c.name, func(t *testing.T) { runIdentity(t, false, c.steps) })
	}
}

// slowSPF answers when the time of look-ups is up.
type slowSPF struct{ byClient }

func (slowSPF) SPF(ctx context.Context, _ netip.Addr, _, _ string) rules.SPF {
	<-ctx.Done()
	return rules.SPF{Result: rules.SPFTempError, Why: "timed out"}
}

// TestSlowSPF: a look-up for the identity takes nothing of the memory's timeout, and is done
// once for all recipients, also at DATA.
func TestSlowSPF(t *testing.T) {
	for _, sender := range []string{"jane@example.com", "<>"} {
		synctest.Test(t, func(t *testing.T) {
			p := newPolicy(t)
			p.Identity.Provider, p.Timeout = true, time.Second
			p.Rules = mustCompile(t, rules.Config{Lookup: slowSPF{}, LookupTimeout: 2 * time.Second})
			log := slog.New(slog.DiscardHandler)
			j := New(memstore.New(), p, log, clock.New(time.Now, log))
			began := time.Now()
			m := new(Message)
			var pending []*Pending
			for i := range 3 {
				a := from(sender)
				a.Recipient = fmt.Sprintf("bob%d@example.org", i)
				switch answer, waits := j.Recipient(t.Context(), m, a); {
				case waits != nil:
					pending = append(pending, waits)
				case answer.Reason != greylist.ReasonNotSeenBefore:
					t.Errorf("%s: %+v", sender, answer)
				}
			}
			if pending != nil {
				if answer := j.Data(t.Context(), "", pending); answer.Reason != greylist.ReasonNotSeenBefore {
					t.Errorf("%s: %+v", sender, answer)
				}
			}
			if took := time.Since(began); took != 2*time.Second {
				t.Errorf("%s: took %v", sender, took)
			}
		})
	}
}

// TestLastIdentitiesAreBounded: the oldest are dropped, those in use stay.
func TestLastIdentitiesAreBounded(t *testing.T) {
	var l lastIdentities
	a := unknownAttempt
	f := rules.NewFacts(&a, nil)
	for i := range 3 * maxYoung {
		l.with(nil, f, "name:pool.example", fmt.Sprint(i))
		if i%1000 == 0 {
			l.with(nil, f, "name:busy.example", "busy")
		}
		if n := len(l.young) + len(l.older); n > 2*maxYoung {
			t.Fatalf("%d are kept", n)
		}
	}
	for address, want := range map[string][]string{"0": nil, "busy": {"name:busy.example"}, fmt.Sprint(3*maxYoung - 1): {"name:pool.example"}} {
		if got := l.with(nil, f, address, address); !slices.Equal(got, want) {
			t.Errorf("%s: %q; want %q", address, got, want)
		}
	}
}

func from(sender string) greylist.Attempt {
	a := unknownAttempt
	a.Sender = sender
	return a
}

// TestSenderIdentity: with normalized senders, a list waits once; a wait goes on, and what
// has passed passes, when the identity changed between two attempts.
func TestSenderIdentity(t *testing.T) {
	exact, normalized := newPolicy(t), newPolicy(t)
	normalized.Identity.Normalized = true
	byRule := newPolicy(t)
	identity := greylist.DefaultIdentity
	identity.Normalized = true
	byRule.Rules = mustCompile(t, rules.Config{Ordered: []rules.Rule{
		{Name: "lists", When: `helo_name == "lists.example"`, Then: rules.Greylist, Identity: &identity},
	}})
	exactByRule := newPolicy(t)
	exactByRule.Identity.Normalized = true
	exactByRule.Rules = mustCompile(t, rules.Config{Ordered: []rules.Rule{
		{Name: "exact", When: `helo_name == "lists.example"`, Then: rules.Greylist, Identity: &greylist.DefaultIdentity},
	}})
	one, two := from("list-return-1-bob=example.org@lists.example"), from("list-return-2-bob=example.org@lists.example")
	helo := func(a greylist.Attempt) greylist.Attempt {
		a.Helo = "lists.example"
		return a
	}
	const (
		exactKey      = "192.0.2.7 list-return-1-bob=example.org@lists.example"
		exactTwo      = "192.0.2.7 list-return-2-bob=example.org@lists.example"
		normalizedKey = "192.0.2.7 list-return@lists.example"
	)
	for _, c := range []struct {
		name  string
		steps []identityStep
	}{
		{"exact: one triplet is read, and each message waits", []identityStep{
			{0, exact, one, "not-seen-before", 3600, []string{exactKey}},
			{3600, exact, one, "now-grey", 0, []string{exactKey}},
			{3700, exact, two, "not-seen-before", 3600, []string{exactTwo}},
		}},
		{"normalized: the list waits once", []identityStep{
			{0, normalized, one, "not-seen-before", 3600, []string{normalizedKey, exactKey}},
			{600, normalized, two, "too-soon", 3000, []string{normalizedKey, exactTwo}},
			{3600, normalized, two, "now-grey", 0, nil},
			{3700, normalized, one, "already-grey", 0, nil},
		}},
		{"a sender that no form has: one triplet is read", []identityStep{
			{0, normalized, from("a1@example.com"), "not-seen-before", 3600, []string{"192.0.2.7 a1@example.com"}},
			{3600, normalized, from("a2@example.com"), "not-seen-before", 3600, []string{"192.0.2.7 a2@example.com"}},
		}},
		{"a wait goes on from exact to normalized", []identityStep{
			{0, exact, one, "not-seen-before", 3600, nil},
			{1000, normalized, one, "too-soon", 2600, []string{normalizedKey, exactKey}},
			{3600, normalized, two, "now-grey", 0, nil},
		}},
		{"what has passed exactly passes", []identityStep{
			{0, exact, one, "not-seen-before", 3600, nil},
			{3600, exact, one, "now-grey", 0, nil},
			{3700, normalized, two, "not-seen-before", 3600, nil},
			{3800, normalized, one, "already-grey", 0, nil}, // although normalized, it waits
			{3900, normalized, two, "already-grey", 0, nil},
			{4000, exact, one, "already-grey", 0, []string{exactKey}},
		}},
		{"a wait goes on from a rule that normalizes to exact, and back", []identityStep{
			{0, byRule, helo(one), "not-seen-before", 3600, []string{normalizedKey, exactKey}},
			{1000, byRule, one, "too-soon", 2600, []string{exactKey, normalizedKey}},
			{3600, byRule, helo(one), "now-grey", 0, nil},
			{3700, byRule, one, "already-grey", 0, nil},
		}},
		{"a rule that is exact", []identityStep{
			{0, exactByRule, helo(one), "not-seen-before", 3600, []string{exactKey, normalizedKey}},
			{1000, exactByRule, helo(two), "not-seen-before", 3600, []string{exactTwo, normalizedKey}},
			{3600, exactByRule, one, "now-grey", 0, []string{normalizedKey, exactKey}},
		}},
		{"an expired entry of another identity lets nothing pass", []identityStep{
			{0, exact, one, "not-seen-before", 3600, nil},
			{3600, exact, one, "now-grey", 0, nil},
			{3_100_000, normalized, one, "grey-too-long", 3600, nil},
			{3_103_600, normalized, one, "now-grey", 0, nil},
		}},
		{"a retry too soon restarts the wait of the present identity", []identityStep{
			{0, exact, one, "not-seen-before", 3600, nil},
			{10, normalized, one, "way-too-soon", 3600, nil},
			{3600, normalized, one, "too-soon", 10, nil},
		}},
		{"the null sender", []identityStep{
			{0, normalized, from("<>"), "not-seen-before", 3600, []string{"192.0.2.7 <>"}},
		}},
	} {
		t.Run(c.name, func(t *testing.T) { runIdentity(t, true, c.steps) })
	}
}

// TestCodeOfNormalized: the code in a reply is that of the triplet that is remembered.
func TestCodeOfNormalized(t *testing.T) {
	p := newPolicy(t)
	p.Identity.Normalized, p.Codes = true, true
	c := newCourt(p)
	got, _ := c.Recipient(t.Context(), nil, from("ann+tag@example.com"))
	want := greylist.Triplet{Client: "192.0.2.7", Sender: "ann@example.com", Recipient: "john@example.org"}
	if got.Triplet != want || got.Code != want.Code() {
		t.Errorf("%+v; want %v, code %s", got, want, want.Code())
	}
}
