package address

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestFold(t *testing.T) {
	local64 := strings.Repeat("a", 64)
	domain255 := strings.Repeat("d", 251) + ".org"
	for _, c := range []struct{ in, want string }{
		{"john@example.org", "john@example.org"},
		{"<john@example.org>", "john@example.org"},
		{"<John@Example.ORG>", "john@example.org"},
		{"john+tag=x_y-z.w@mx-1.example.org", "john+tag=x_y-z.w@mx-1.example.org"},

		// The null sender, and what only looks like it.
		{"", "<>"},
		{"<>", "<>"},
		{"< >", `" "`},
		{"<<>>", `"<>"`},
		{`""`, `""`},
		{`""@example.org`, `""@example.org`},

		// Without a domain, a local part, or both.
		{"Postmaster", "postmaster"},
		{"<postmaster>", "postmaster"},
		{"john@", "john@"},
		{"John@", "john@"},
		{"@example.org", `""@example.org`},
		{"@", `""@`},

		// Quotes go where they need not be, and stay where they must.
		{`"john"@example.org`, "john@example.org"},
		{`"John"@Example.org`, "john@example.org"},
		{`"john.smith"@example.org`, "john.smith@example.org"},
		{`"j\o\h\n"@example.org`, "john@example.org"},
		{`"john smith"@example.org`, `"john smith"@example.org`},
		{`john smith@example.org`, `"john smith"@example.org`},
		{`"a@b"@example.org`, `"a@b"@example.org`},
		{`a@b@example.org`, `"a@b"@example.org`},
		{`"a\"b"@example.org`, `"a\"b"@example.org`},
		{`"a"b"@example.org`, `"a\"b"@example.org`},
		{`"a\\b"@example.org`, `"a\\b"@example.org`},
		{`a\b@example.org`, `"a\\b"@example.org`},
		{`"a\"@example.org`, `"a\\"@example.org`},
		{`"@example.org`, `"\""@example.org`},
		{`"a,b"@example.org`, `"a,b"@example.org`},
		{`"<john>"@example.org`, `"<john>"@example.org`},
		{`<john>@example.org`, `"<john>"@example.org`},
		{`<john@example.org`, `"<john"@example.org`},
		{`john@example.org>`, `john@example.org>`},

		// Dots where they are forbidden, and all that is atext.
		{".john..smith.@example.org", ".john..smith.@example.org"},
		{"john%host@example.org", "john%host@example.org"},
		{"$HOME@example.org", "$home@example.org"},
		{"${run{/bin/sh}}@example.org", "${run{/bin/sh}}@example.org"},
		{"host!john@example.org", "host!john@example.org"},
		{"!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org"},

		// Domains that are no names.
		{"john@[192.0.2.7]", "john@[192.0.2.7]"},
		{"john@[IPv6:2001:DB8::1]", "john@[ipv6:2001:db8::1]"},

		// Source routes are ignored.
		{"<@a.example,@b.example:John@example.org>", "john@example.org"},
		{"@a.example:postmaster", "postmaster"},
		{"@a.example:<>", `"<>"`},
		{"@a.example:", `""@a.example:`},
		{"@a:@b:c@d", `"@b:c"@d`},

		// UTF-8 (RFC 6532) is lowered as well as it can be.
		{"Jürgen@Müller.example", "jürgen@xn--mller-kva.example"},
		{"ДМИТРИЙ@ПОЧТА.example", "дмитрий@xn--80a1acny.example"},
		{"用户@例え.example", "用户@xn--r8jz45g.example"},
		{"jo\u0301@example.org", "jo\u0301@example.org"}, // a combining accent is printable

		// What a terminal or a log would not show as itself is escaped.
		{"a\nb@example.org", `"a\\x0ab"@example.org`},
		{"\"a\nb\"@example.org", `"a\\x0ab"@example.org`},
		{"\"a\\\nb\"@example.org", `"a\\x0ab"@example.org`},
		{"a\r\n@example.org", `"a\\x0d\\x0a"@example.org`},
		{"a\x00b@example.org", `"a\\x00b"@example.org`},
		{"\x1b[31m@example.org", `"\\x1b[31m"@example.org`},
		{"a\x7f@example.org", `"a\\x7f"@example.org`},
		{"john@exa\tmple.org", `john@exa\x09mple.org`},
		{"john@\x85.example", `john@\x85.example`},
		{"a\xff@example.org", `"a\\xff"@example.org`},
		{"a\xfe@example.org", `"a\\xfe"@example.org`},
		{"a\xc3@example.org", `"a\\xc3"@example.org`},
		{"a\ufffdb@example.org", `"a\\u{fffd}b"@example.org`},
		{"a\u202eb@example.org", `"a\\u{202e}b"@example.org`}, // right-to-left override
		{"a\u00a0b@example.org", `"a\\u{a0}b"@example.org`},   // no-break space
		{"a\u2028b@example.org", `"a\\u{2028}b"@example.org`}, // line separator
		{"a\U000e0041@example.org", `"a\\u{e0041}"@example.org`},

		// As long as SMTP allows, and longer local parts if the sum is.
		{local64 + "@example.org", local64 + "@example.org"},
		{local64 + "@" + domain255, local64 + "@" + domain255},
		{strings.ToUpper(local64 + "@" + domain255), local64 + "@" + domain255},
		{strings.Repeat("a", 308) + "@example.org", strings.Repeat("a", 308) + "@example.org"},

		// Longer ones keep their domain, and a beginning that needs no quotes.
		{strings.Repeat("a", 309) + "@example.org",
			strings.Repeat("a", 29) + "...a99228a6ff2255d662752dd0173487fb@example.org"},
	} {
		t.Run(c.in, func(t *testing.T) {
			got := Fold(c.in)
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			checkFolded(t, c.in, got)
		})
	}
}

// checkFolded checks what holds for every folded address.
func checkFolded(t *testing.T, in, folded string) {
	t.Helper()
	if again := Fold(folded); again != folded {
		t.Errorf("%q folds to %q, but that to %q", in, folded, again)
	}
	if bracketed := Fold("<" + folded + ">"); bracketed != folded && folded != NullSender {
		t.Errorf("%q folds to %q, but that in brackets to %q", in, folded, bracketed)
	}
	switch {
	case folded == "":
		t.Errorf("%q folds to nothing", in)
	case len(folded) > maxAddress:
		t.Errorf("%q folds to %d octets: %q", in, len(folded), folded)
	case !utf8.ValidString(folded):
		t.Errorf("%q folds to what is not UTF-8: %q", in, folded)
	case strings.IndexFunc(folded, notPrintable) >= 0:
		t.Errorf("%q folds to what is not printable: %q", in, folded)
	case strings.ToLower(folded) != folded:
		t.Errorf("%q folds to what is not lower case: %q", in, folded)
	}
}

func notPrintable(r rune) bool { return !unicode.IsPrint(r) }

func TestFoldLongAddress(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	addresses := []string{
		long,
		long + "@example.org",
		long + "y@example.org",
		"john@" + long,
		"john@" + long + ".example.org",
		long + "@" + long,
		`"` + strings.Repeat(`\"`, 5_000) + `"@example.org`,
		`"` + strings.Repeat(" ", 10_000) + `"`,
		`"` + strings.Repeat(" ", 300) + `"@example.org`,
		strings.Repeat("\x00", 10_000),
		strings.Repeat("\x01", 10_000),
		strings.Repeat("ü", 5_000) + "@example.org",
		"john@" + strings.Repeat("ü", 5_000),
		"jo@" + strings.Repeat("ü", 5_000),
		strings.Repeat(`\`, 60) + "@" + strings.Repeat("d", 255),
		strings.Repeat("@", 10_000),
	}
	from := make(map[string]string)
	for _, address := range addresses {
		folded := Fold(address)
		checkFolded(t, address, folded)
		if other, ok := from[folded]; ok {
			t.Errorf("%.40q… and %.40q… both fold to %q", address, other, folded)
		}
		from[folded] = address
		if strings.HasSuffix(address, "@example.org") && !strings.HasSuffix(folded, "@example.org") {
			t.Errorf("%.40q… loses its domain: %q", address, folded)
		}
	}
	if a, b := Fold(long+"@Example.org"), Fold(strings.ToUpper(long)+"@example.ORG"); a != b {
		t.Errorf("case tells long addresses apart: %q and %q", a, b)
	}
}

// TestLowerCaseIsStable is what folding twice rests on: no character's lower
// case has another one, or is not printable.
func TestLowerCaseIsStable(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		lower := unicode.ToLower(r)
		if unicode.ToLower(lower) != lower || unicode.IsPrint(r) && !unicode.IsPrint(lower) {
			t.Errorf("%U has the lower case %U", r, lower)
		}
	}
}

// FuzzFoldAddress also compares the short cut that plain addresses take with
// the long way, which the same address takes in upper case.
func FuzzFold(f *testing.F) {
	f.Fuzz(func(t *testing.T, address string) {
		folded := Fold(address)
		checkFolded(t, address, folded)
		if upper := Fold(strings.ToUpper(folded)); IsASCII(folded) && upper != folded && folded != NullSender {
			t.Errorf("%q in upper case folds to %q", folded, upper)
		}
	})
}
