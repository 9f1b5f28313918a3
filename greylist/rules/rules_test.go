package rules

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

var (
	blockedReply = greylist.Reply{Code: 451, Enhanced: "4.2.2", Text: "Mailbox full, retry later"}
	foreignReply = greylist.Reply{Code: 550, Enhanced: "5.7.1", Text: "Not a domain that this server receives mail for"}
)

func mustCompile(t testing.TB, s Config) *Set {
	t.Helper()
	rules, err := s.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func mustPatterns(t testing.TB, whose address.Whose, patterns ...string) address.Patterns {
	t.Helper()
	p, err := address.ParsePatterns(whose, patterns...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ask returns the ruling in words, "greylist" if the rules have no answer. It
// asks with a trace and without, which must not make a difference.
func ask(t testing.TB, rules *Set, a greylist.Attempt) string {
	t.Helper()
	var steps []Step
	ruling, err := rules.Ask(t.Context(), NewFacts(&a, nil), nil)
	traced, tracedErr := rules.Ask(t.Context(), NewFacts(&a, nil), func(s Step) { steps = append(steps, s) })
	if !reflect.DeepEqual(ruling, traced) || err != nil || tracedErr != nil {
		t.Errorf("with a trace %+v, %v; without %+v, %v", traced, tracedErr, ruling, err)
	}
	ok := ruling != nil
	for i, s := range steps {
		last := i == len(steps)-1
		if s.Rule != rules.inOrder[i].name || s.Says == "" || (s.Ruling != nil) != (ok && last) {
			t.Errorf("step %d of %d: %+v", i+1, len(steps), s)
		}
	}
	if !ok {
		if len(steps) != len(rules.inOrder) {
			t.Errorf("no answer after %d of %d rules", len(steps), len(rules.inOrder))
		}
		return "greylist"
	}
	if last := steps[len(steps)-1]; *last.Ruling != *ruling || last.Says != ruling.Because {
		t.Errorf("the last step %+v is not the ruling %+v", last, ruling)
	}
	if (ruling.Verdict == greylist.Accept) != (ruling.Reply == greylist.Reply{}) {
		t.Errorf("%s with the reply %q", ruling.Verdict, ruling.Reply)
	}
	return fmt.Sprintf("%s %s: %s", ruling.Verdict, ruling.Reason, ruling.Because)
}

// TestOrderOfRules begins with an attempt for which every rule has an answer,
// and takes away one rule after the other.
func TestOrderOfRules(t *testing.T) {
	set := Config{
		AcceptLoopback:                true,
		AcceptVerifiedTLS:             true,
		Blocked:                       mustPatterns(t, address.Senders, "@example.com"),
		Exceptions:                    mustPatterns(t, address.Recipients, "john"),
		BlockedVerdict:                greylist.Defer,
		BlockedReply:                  blockedReply,
		AllowedSenders:                []string{"127.0.0.1"},
		AllowedDomains:                []string{"elsewhere.example"},
		ForeignVerdict:                greylist.Deny,
		ForeignReply:                  foreignReply,
		WhitelistedTriples:            [][]string{{"127", "@example.com", "*"}},
		WhitelistedNonstandardTriples: [][]string{{"mx.example.com", "127", "*"}},
	}
	attempt := greylist.Attempt{
		Client:        greylist.LocalClient("local"),
		Helo:          "mx.example.com",
		Sender:        "jane@example.com",
		Recipient:     "john@example.org",
		Authenticated: true,
		VerifiedTLS:   true,
	}
	for _, c := range []struct {
		takeAway func()
		want     string
	}{
		{func() {}, "accept local: client has no network address"},
		{func() { attempt.Client = greylist.ParseClient("127.0.0.1") }, "accept local: client is loopback"},
		{func() { set.AcceptLoopback = false }, `accept exception: sender is blocked by "@example.com", recipient is excepted by "john"`},
		{func() { set.Exceptions = address.Patterns{} }, `defer blocked: sender is blocked by "@example.com", recipient is not excepted`},
		{func() { set.Blocked = address.Patterns{} }, "accept authenticated: client authenticated"},
		{func() { attempt.Authenticated = false }, "accept authenticated: client showed a verified TLS certificate"},
		{func() { attempt.VerifiedTLS = false }, "accept allowed-client: client is in 127.0.0.1/32"},
		{func() { set.AllowedSenders = nil }, `deny foreign-domain: "example.org" is not one of allowed_domains`},
		{func() { set.AllowedDomains = nil }, "accept whitelisted-triple: [127.0.0.0/8, @example.com, *] is whitelisted"},
		{func() { set.WhitelistedTriples = nil }, "accept whitelisted-nonstandard: [mx.example.com, 127.0.0.0/8, *] is whitelisted"},
		{func() { set.WhitelistedNonstandardTriples = nil }, "greylist"},
	} {
		c.takeAway()
		if got := ask(t, mustCompile(t, set), attempt); got != c.want {
			t.Errorf("\n got %s\nwant %s", got, c.want)
		}
	}
}

// TestLocal is rule 0.
func TestLocal(t *testing.T) {
	for _, c := range []struct {
		client   greylist.Client
		loopback bool // accept_loopback
		want     string
	}{
		{greylist.LocalClient("local"), true, "accept local: client has no network address"},
		{greylist.LocalClient("local"), false, "accept local: client has no network address"},
		{greylist.ParseClient("127.0.0.1"), true, "accept local: client is loopback"},
		{greylist.ParseClient("127.255.0.9"), true, "accept local: client is loopback"},
		{greylist.ParseClient("::1"), true, "accept local: client is loopback"},
		{greylist.ParseClient("::ffff:127.0.0.1"), true, "accept local: client is loopback"},
		{greylist.ParseClient("127.0.0.1"), false, "greylist"},
		{greylist.ParseClient("::1"), false, "greylist"},
		{greylist.ParseClient("::ffff:127.0.0.1"), false, "greylist"},
		{greylist.ParseClient("128.0.0.1"), true, "greylist"},
		{greylist.ParseClient("10.0.0.1"), true, "greylist"},
		{greylist.ParseClient("::2"), true, "greylist"},
		{greylist.ParseClient("localhost"), true, "greylist"},
		{greylist.Client{}, true, "greylist"},
	} {
		rules := mustCompile(t, Config{AcceptLoopback: c.loopback})
		if got := ask(t, rules, greylist.Attempt{Client: c.client, Recipient: "john@example.org"}); got != c.want {
			t.Errorf("%q, accept_loopback %v: %s, want %s", c.client, c.loopback, got, c.want)
		}
	}
}

// TestBlocked is rule 1.
func TestBlocked(t *testing.T) {
	for _, c := range []struct {
		verdict           greylist.Verdict
		sender, recipient string
		want              string
	}{
		{greylist.Defer, "spam@example.com", "jim@example.org", `defer blocked: sender is blocked by "spam@example.com", recipient is not excepted`},
		{greylist.Deny, "spam@example.com", "jim@example.org", `deny blocked: sender is blocked by "spam@example.com", recipient is not excepted`},
		{greylist.Defer, "<SPAM@Example.com>", "<Jim@example.org>", `defer blocked: sender is blocked by "spam@example.com", recipient is not excepted`},
		{greylist.Defer, "x@bulk.example", "jim@example.org", `defer blocked: sender is blocked by "@bulk.example", recipient is not excepted`},
		{greylist.Defer, "<>", "jim@example.org", `defer blocked: sender is blocked by "<>", recipient is not excepted`},
		{greylist.Defer, "", "jim@example.org", `defer blocked: sender is blocked by "<>", recipient is not excepted`},

		{greylist.Defer, "spam@example.com", "john@example.org", `accept exception: sender is blocked by "spam@example.com", recipient is excepted by "john"`},
		{greylist.Deny, "spam@example.com", "JOHN@anywhere.example", `accept exception: sender is blocked by "spam@example.com", recipient is excepted by "john"`},
		{greylist.Defer, "<>", "postmaster", `accept exception: sender is blocked by "<>", recipient is excepted by "postmaster"`},
		{greylist.Defer, "spam@example.com", "jane@example.org", `accept exception: sender is blocked by "spam@example.com", recipient is excepted by "jane@example.org"`},
		{greylist.Defer, "spam@example.com", "jane@example.net", `defer blocked: sender is blocked by "spam@example.com", recipient is not excepted`},

		{greylist.Defer, "ham@example.com", "jim@example.org", "greylist"},
		{greylist.Defer, "ham@example.com", "john@example.org", "greylist"}, // an exception alone accepts nothing
		{greylist.Deny, "x@mx.bulk.example", "jim@example.org", "greylist"},
	} {
		rules := mustCompile(t, Config{
			Blocked:        mustPatterns(t, address.Senders, "spam@example.com", "@bulk.example", "<>"),
			Exceptions:     mustPatterns(t, address.Recipients, "john", "postmaster", "jane@example.org"),
			BlockedVerdict: c.verdict,
			BlockedReply:   blockedReply,
		})
		a := greylist.Attempt{Client: greylist.ParseClient("192.0.2.7"), Sender: c.sender, Recipient: c.recipient}
		if got := ask(t, rules, a); got != c.want {
			t.Errorf("%q to %q:\n got %s\nwant %s", c.sender, c.recipient, got, c.want)
		}
		if ruling, _ := rules.Ask(t.Context(), NewFacts(&a, nil), nil); ruling != nil && ruling.Reason == greylist.ReasonBlocked && ruling.Reply != blockedReply {
			t.Errorf("%q to %q: reply %q", c.sender, c.recipient, ruling.Reply)
		}
	}
}

// TestAuthenticated is the first half of rule 2.
func TestAuthenticated(t *testing.T) {
	for _, c := range []struct {
		authenticated, verified bool
		acceptVerifiedTLS       bool
		want                    string
	}{
		{false, false, false, "greylist"},
		{false, false, true, "greylist"},
		{false, true, false, "greylist"},
		{false, true, true, "accept authenticated: client showed a verified TLS certificate"},
		{true, false, false, "accept authenticated: client authenticated"},
		{true, true, true, "accept authenticated: client authenticated"},
	} {
		rules := mustCompile(t, Config{AcceptVerifiedTLS: c.acceptVerifiedTLS})
		got := ask(t, rules, greylist.Attempt{Client: greylist.ParseClient("192.0.2.7"), Authenticated: c.authenticated, VerifiedTLS: c.verified})
		if got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

// TestAllowedClient is the second half of rule 2.
func TestAllowedClient(t *testing.T) {
	rules := mustCompile(t, Config{
		AllowedSenders:    []string{"198.51.100.7", "::ffff:198.51.100.8", "[IPv6:2001:db8:7::7]"},
		AllowedSenderNets: []string{"204.15.20", "213.38.", "192.0.2.128/25", "192.0.2.192/26", "2001:db8:1::/48", "::ffff:203.0.113.0/120"},
	})
	for client, network := range map[string]string{
		"198.51.100.7":          "198.51.100.7/32",
		"::ffff:198.51.100.7":   "198.51.100.7/32",
		"198.51.100.8":          "198.51.100.8/32",
		"2001:db8:7::7":         "2001:db8:7::7/128",
		"204.15.20.1":           "204.15.20.0/24",
		"::ffff:204.15.20.1":    "204.15.20.0/24",
		"213.38.255.255":        "213.38.0.0/16",
		"192.0.2.128":           "192.0.2.128/25",
		"192.0.2.200":           "192.0.2.192/26", // the narrower one is named
		"2001:db8:1:ffff::1":    "2001:db8:1::/48",
		"203.0.113.9":           "203.0.113.0/24",
		"198.51.100.70":         "",
		"198.51.100.6":          "",
		"2001:db8:7::8":         "",
		"204.15.200.1":          "",
		"204.15.2.0":            "",
		"20.4.15.20":            "",
		"192.0.2.127":           "",
		"2001:db8:2::1":         "",
		"::204.15.20.1":         "", // IPv4-compatible is not IPv4-mapped
		"64:ff9b::cc0f:1401":    "", // nor is what a translator writes
		"204.15.20":             "", // no address
		"unix:/run/sock":        "",
		"198.51.100.7, 1.2.3.4": "",
	} {
		want := "greylist"
		if network != "" {
			want = "accept allowed-client: client is in " + network
		}
		if got := ask(t, rules, greylist.Attempt{Client: greylist.ParseClient(client), Recipient: "john@example.org"}); got != want {
			t.Errorf("%s: got %s, want %s", client, got, want)
		}
	}
}

// TestAllowedDomains is rule 3.
func TestAllowedDomains(t *testing.T) {
	domains := []string{"Example.org", "*.sub.example.net", "@example.com", "@*.example.com", "[192.0.2.25]"}
	for _, c := range []struct {
		recipient string
		foreign   string // the domain, if it is not allowed
	}{
		{"john@example.org", ""},
		{"<John@EXAMPLE.ORG>", ""},
		{`"a@b"@example.org`, ""},
		{"a@b@example.org", ""},
		{"@relay.example:john@example.org", ""},
		{"john@mx.example.org", "mx.example.org"},
		{"john@myexample.org", "myexample.org"},
		{"john@example.org.evil.example", "example.org.evil.example"},
		{"john@a.sub.example.net", ""},
		{"john@b.a.sub.example.net", ""},
		{"john@sub.example.net", "sub.example.net"},
		{"john@example.net", "example.net"},
		{"john@example.com", ""},
		{"john@mx.example.com", ""},
		{"john@[192.0.2.25]", ""},
		{"john@[192.0.2.26]", "[192.0.2.26]"},
		{"john@other.example@example.org", ""},
		{`"john@example.org"@other.example`, "other.example"},
		{"postmaster", ""}, // RFC 5321, section 4.1.1.3: it needs no domain
		{"<Postmaster>", ""},
		{strings.Repeat("x", 1000) + "@example.org", ""},
		{strings.Repeat("x", 1000) + "@other.example", "other.example"},
	} {
		for _, verdict := range []greylist.Verdict{greylist.Accept, greylist.Defer, greylist.Deny} {
			set := Config{AllowedDomains: domains, ForeignVerdict: verdict}
			if verdict != greylist.Accept {
				set.ForeignReply = foreignReply
			}
			want := "greylist"
			if c.foreign != "" {
				want = fmt.Sprintf("%s foreign-domain: %q is not one of allowed_domains", verdict, c.foreign)
			}
			if got := ask(t, mustCompile(t, set), greylist.Attempt{Client: greylist.ParseClient("192.0.2.7"), Recipient: c.recipient}); got != want {
				t.Errorf("%s:\n got %s\nwant %s", c.recipient, got, want)
			}
		}
	}
}

// TestCompileNamesEveryMistake: not only the first of them, and each by its
// key and its place in the list.
func TestCompileNamesEveryMistake(t *testing.T) {
	rules, err := Config{
		AllowedSenders:    []string{"192.0.2.7", "192.0.2", "mail.example.org"},
		AllowedSenderNets: []string{"192.0.2.0/33", "192.0.2"},
		AllowedDomains:    []string{"example.org", "john@example.org", ""},
		WhitelistedTriples: [][]string{
			{"192.0.2.7", "*", "*"},
			{"192.0.2.7", "*"},
			{"mail.example.org", "*", "*"},
			{"192.0.2.7", "john", "*"},
			{"192.0.2.7", "*", "<>"},
			nil,
		},
		WhitelistedNonstandardTriples: [][]string{
			{"mx.example.org", "192.0.2.7", "*"},
			{"mx.example.org", "*", "*"},
			{"*", "192.0.2.7", "*"},
			{"", "192.0.2.7", "*"},
			{"mx.example.org", "192.0.2.7", "@"},
			{"a", "b", "c", "d"},
		},
	}.Compile()
	if rules != nil || err == nil {
		t.Fatalf("compiled: %v, %v", rules, err)
	}
	const hint = "is not an address prefix; write an address, a network such as 192.0.2.0/24 or 2001:db8::/32, or leading octets such as 192.0.2"
	want := []string{
		`allowed_senders[1]: "192.0.2" is not an IP address; write a full IPv4 or IPv6 address`,
		`allowed_senders[2]: "mail.example.org" is not an IP address; write a full IPv4 or IPv6 address`,
		`allowed_sender_nets[0]: "192.0.2.0/33" ` + hint,
		`allowed_domains[1]: "john@example.org" is not a pattern: "john@example.org" is not a domain; write it as example.org`,
		`allowed_domains[2]: "" is not a pattern: "" is not a domain; write it as example.org`,
		`whitelisted_triples[1]: 2 values; write [client address or prefix, sender, recipient]`,
		`whitelisted_triples[2]: "mail.example.org" ` + hint,
		`whitelisted_triples[3]: "john" is not an address; write user@example.org, or @example.org for a whole domain`,
		`whitelisted_triples[4]: "<>" is the null sender, and never a recipient`,
		`whitelisted_triples[5]: 0 values; write [client address or prefix, sender, recipient]`,
		`whitelisted_nonstandard_triples[1]: "*" ` + hint,
		`whitelisted_nonstandard_triples[2]: "*" is not a HELO name; to allow any name, use whitelisted_triples`,
		`whitelisted_nonstandard_triples[3]: "" is not a HELO name; to allow any name, use whitelisted_triples`,
		`whitelisted_nonstandard_triples[4]: "@" is not a pattern: "" is not a domain; write it as example.org`,
		`whitelisted_nonstandard_triples[5]: 4 values; write [HELO name, client address or prefix, recipient]`,
	}
	if got := strings.Split(err.Error(), "\n"); !slices.Equal(got, want) {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	var first *ListError
	if !errors.As(err, &first) || first.Key != "allowed_senders" || first.Index != 1 || first.Unwrap() == nil {
		t.Errorf("the first mistake is %+v", first)
	}
}

// TestInternationalizedNamesInLists: postgrey's form of a domain may be internationalized.
func TestInternationalizedNamesInLists(t *testing.T) {
	for _, kind := range []ListKind{RecipientList, ClientList} {
		l, err := ParseList(strings.NewReader("bücher.example\n"), ListFile{kind, "list"})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := l.matchName("mx.xn--bcher-kva.example"); !ok {
			t.Errorf("list of kind %d: a name below bücher.example does not match", kind)
		}
	}
}
