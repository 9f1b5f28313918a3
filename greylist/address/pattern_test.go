package address

import (
	"strings"
	"testing"
)

func mustPatterns(t testing.TB, whose Whose, patterns ...string) Patterns {
	t.Helper()
	p, err := ParseList(strings.NewReader(strings.Join(patterns, "\n")), "test.list", whose)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPatternMatches(t *testing.T) {
	for _, c := range []struct {
		pattern string
		whose   Whose
		address string
		matched string // the pattern as it is shown; empty: it does not match
	}{
		// An address, with or without brackets, in any case.
		{"john@example.org", Senders, "john@example.org", "john@example.org"},
		{"<John@Example.org>", Senders, "JOHN@EXAMPLE.ORG", "john@example.org"},
		{" john@example.org\t", Senders, "<john@example.org>", "john@example.org"},
		{"john@example.org", Senders, "john@mx.example.org", ""},
		{"john@example.org", Senders, "xjohn@example.org", ""},
		{"john@example.org", Senders, "john+tag@example.org", ""},
		{"john@example.org", Senders, "john", ""},
		{`"john"@example.org`, Senders, "john@example.org", "john@example.org"},
		{`"john smith"@example.org`, Senders, `"John Smith"@example.org`, `"john smith"@example.org`},
		{"@relay.example:john@example.org", Senders, "john@example.org", "john@example.org"},
		{"Jürgen@Müller.example", Senders, "JÜRGEN@MÜLLER.example", "jürgen@xn--mller-kva.example"},
		{"john@[192.0.2.7]", Senders, "john@[192.0.2.7]", "john@[192.0.2.7]"},
		{"john@[IPv6:2001:db8::7]", Senders, "john@[ipv6:2001:DB8::7]", "john@[ipv6:2001:db8::7]"},
		{`"a,b@c"@example.org`, Senders, `"a,b@c"@example.org`, `"a,b@c"@example.org`},

		// A domain without its subdomains.
		{"@example.org", Senders, "john@example.org", "@example.org"},
		{"@Example.org", Senders, `"a@b"@EXAMPLE.org`, "@example.org"},
		{"<@example.org>", Senders, "john@example.org", "@example.org"},
		{"*@example.org", Senders, "john@example.org", "@example.org"},
		{"@example.org", Senders, "john@mx.example.org", ""},
		{"@example.org", Senders, "john@myexample.org", ""},
		{"@example.org", Senders, "example.org", ""},
		{"@example.org", Senders, "<>", ""},
		{"@[192.0.2.7]", Senders, "john@[192.0.2.7]", "@[192.0.2.7]"},
		{"@[IPv6:2001:db8::7]", Senders, "john@[IPv6:2001:db8::7]", "@[ipv6:2001:db8::7]"},

		// Its subdomains without the domain.
		{"@*.example.org", Senders, "john@mx.example.org", "@*.example.org"},
		{"@*.Example.org", Senders, "john@A.B.example.org", "@*.example.org"},
		{"*@*.example.org", Senders, "john@mx.example.org", "@*.example.org"},
		{"@*.example.org", Senders, "john@example.org", ""},
		{"@*.example.org", Senders, "john@myexample.org", ""},
		{"@*.example.org", Senders, "john@mx.example.org.evil.example", ""},
		{"@*.org", Senders, "john@example.org", "@*.org"},

		// The null sender, and everyone.
		{"<>", Senders, "", "<>"},
		{"<>", Senders, "<>", "<>"},
		{"<>", Senders, "john@example.org", ""},
		{"<>", Senders, `"<>"@example.org`, ""},
		{"*", Senders, "john@example.org", "*"},
		{"*", Senders, "<>", "*"},
		{"<*>", Senders, "postmaster", "*"},
		{"*", Recipients, "john@example.org", "*"},

		// A mailbox at any domain, or at none.
		{"john", Recipients, "john@example.org", "john"},
		{"John", Recipients, "JOHN@mx.example.com", "john"},
		{"<john>", Recipients, "john", "john"},
		{"john", Recipients, "johnny@example.org", ""},
		{"john", Recipients, "john+tag@example.org", ""},
		{`"john smith"`, Recipients, `"john smith"@example.org`, `"john smith"`},
		{"john@example.org", Recipients, "john", ""},
	} {
		p, err := ParsePatterns(c.whose, c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		if p.Empty() {
			t.Errorf("%q: empty", c.pattern)
		}
		matched, ok := p.Match(Fold(c.address))
		if matched != c.matched || ok != (c.matched != "") {
			t.Errorf("%q and %q: matched by %q (%v), want %q", c.pattern, c.address, matched, ok, c.matched)
		}
	}
}

func TestBadPattern(t *testing.T) {
	const (
		bracket   = ` has an angle bracket without its partner`
		noAddress = ` is not an address`
		write     = ` is not a pattern; write @example.org for a domain, @*.example.org for its subdomains, or * for any address`
		noDomain  = ` is not a domain; write it as example.org`
	)
	for _, c := range []struct {
		pattern string
		whose   Whose
		want    string
	}{
		{"", Senders, `""` + noAddress},
		{" ", Senders, `" "` + noAddress},
		{"john\x00@example.org", Senders, `"john\x00@example.org"` + noAddress},
		{"john\xff@example.org", Senders, `"john\xff@example.org"` + noAddress},
		{"john", Senders, `"john" is not an address; write user@example.org, or @example.org for a whole domain`},
		{"example.org", Senders, `"example.org" is not an address; write user@example.org, or @example.org for a whole domain`},
		{"john@", Senders, `"john@" has nothing after the @`},
		{"john@example.org jane@example.org", Senders, `"john@example.org jane@example.org" holds a space; write one address`},
		{"john smith", Recipients, `"john smith" holds a space; write one address`},

		{"<john@example.org", Senders, `"<john@example.org"` + bracket},
		{"john@example.org>", Senders, `"john@example.org>"` + bracket},
		{"<<john@example.org>>", Senders, `"<<john@example.org>>"` + bracket},
		{"<a@example.org>,<b@example.org>", Senders, `"<a@example.org>,<b@example.org>"` + bracket},
		{"John <john@example.org>", Senders, `"John <john@example.org>"` + bracket},
		{"<>", Recipients, `"<>" is the null sender, and never a recipient`},

		{"**", Senders, `"**"` + write},
		{"john@*", Senders, `"john@*"` + write},
		{"john@*.example.org", Senders, `"john@*.example.org"` + write},
		{"**@example.org", Senders, `"**@example.org"` + write},
		{"@", Senders, `"@" is not a pattern: ""` + noDomain},
		{"@*", Senders, `"@*" is not a pattern: "*"` + noDomain},
		{"*@*", Senders, `"*@*" is not a pattern: "*"` + noDomain},
		{"@*.", Senders, `"@*." is not a pattern: ""` + noDomain},
		{"@*.*.example.org", Senders, `"@*.*.example.org" is not a pattern: "*.example.org"` + noDomain},
		{"@.example.org", Senders, `"@.example.org" is not a pattern: ".example.org"` + noDomain},
		{"@example.org.", Senders, `"@example.org." is not a pattern: "example.org."` + noDomain},
		{"@example..org", Senders, `"@example..org" is not a pattern: "example..org"` + noDomain},
		{"@example.org,example.com", Senders, `"@example.org,example.com" is not a pattern: "example.org,example.com"` + noDomain},
		{"john@example.org,", Senders, `"john@example.org," is not an address: "example.org,"` + noDomain},
		{"john@example.org;", Senders, `"john@example.org;" is not an address: "example.org;"` + noDomain},
		{"john@example..org", Senders, `"john@example..org" is not an address: "example..org"` + noDomain},
		{"john@example.org#x", Senders, `"john@example.org#x" is not an address: "example.org#x"` + noDomain},
		{"john@example.org,jane@example.org", Senders, `"john@example.org,jane@example.org" is not an address; write one, as user@example.org`},
		{"john@@example.org", Senders, `"john@@example.org" is not an address; write one, as user@example.org`},
		{"mailto:john@example.org", Senders, `"mailto:john@example.org" is not an address; write one, as user@example.org`},
		{"john,", Recipients, `"john," holds more than an address; write one address`},
		{"john,jack", Recipients, `"john,jack" holds more than an address; write one address`},
		{"@example.org:25", Senders, `"@example.org:25" is not a pattern: "example.org:25"` + noDomain},
		{"@example.org # spam", Senders, `"@example.org # spam" is not a pattern: "example.org # spam"` + noDomain},
	} {
		_, err := ParsePatterns(c.whose, c.pattern)
		if err == nil {
			t.Errorf("%q is taken, want: %s", c.pattern, c.want)
		} else if err.Error() != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.pattern, err, c.want)
		}
	}
}

// TestClosestPatternIsNamed: of several that match, people are told the most
// particular one.
func TestClosestPatternIsNamed(t *testing.T) {
	p := mustPatterns(t, Recipients, "*", "@*.org", "@*.example.org", "@mx.example.org", "jane", "john@mx.example.org")
	for address, want := range map[string]string{
		"john@mx.example.org": "john@mx.example.org",
		"jane@mx.example.org": "jane",
		"jim@mx.example.org":  "@mx.example.org",
		"jim@a.example.org":   "@*.example.org",
		"jim@b.a.example.org": "@*.example.org",
		"jim@example.org":     "@*.org",
		"jim@org":             "*",
		"jim":                 "*",
	} {
		if got, ok := p.Match(address); !ok || got != want {
			t.Errorf("%s: matched by %q, want %q", address, got, want)
		}
	}
}

func TestNoPatterns(t *testing.T) {
	var p Patterns
	if !p.Empty() {
		t.Error("the zero value is not empty")
	}
	for _, address := range []string{NullSender, "john", "john@example.org", "@", ""} {
		if pattern, ok := p.Match(address); ok {
			t.Errorf("%q is matched by %q", address, pattern)
		}
	}
}

// TestLongAddressEscapesNoRule: an address that is too long still meets the
// rules for its domain, and no rule for another.
func TestLongAddressEscapesNoRule(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	blocked := mustPatterns(t, Senders, "@spam.example", "@*.spam.example")
	for address, want := range map[string]bool{
		long + "@spam.example":                                true,
		`"` + long + ` "@Spam.Example`:                        true,
		long + "@mx.spam.example":                             true,
		"john@" + strings.Repeat("a.", 160) + "spam.example":  false, // no such domain can exist
		"john@" + strings.Repeat("a", 310) + ".spam.example.": false,
		"john@spam.example.":                                  true, // a dot at the end names the same domain
	} {
		if _, ok := blocked.Match(Fold(address)); ok != want {
			t.Errorf("%.60q…: blocked %v, want %v; folded %q", address, ok, want, Fold(address))
		}
	}
}
