package address

import (
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// Domain brings a domain into the form in which domains are compared: in lower case,
// without a dot at the end, and an internationalized one in its form for the DNS
// (RFC 5890), so that bücher.example and xn--bcher-kva.example are one. A name that
// does not convert is compared as it is.
func Domain(s string) string {
	name := unconverted(s)
	if IsASCII(name) {
		return name
	}
	if a, err := idna.Lookup.ToASCII(name); err == nil {
		if a = strings.ToLower(strings.TrimRight(a, ".")); a != "" && IsASCII(a) {
			return a
		}
	}
	return name
}

// unconverted is a domain in lower case and printable characters.
func unconverted(s string) string { return clean(strings.TrimRight(s, ".")) }

// FoldUnconverted is [Fold] without the conversion of internationalized domains.
// Databases of the first versions have addresses in this form.
func FoldUnconverted(s string) string { return fold(s, unconverted) }

// Forms returns the folded address and, for an internationalized domain, the forms in
// which databases of the first versions may have it.
func Forms(s string) []string {
	forms := []string{Fold(s)}
	local, domain, _ := Cut(forms[0])
	if name, err := idna.ToUnicode(domain); err == nil && name != domain {
		forms = append(forms, local+"@"+name)
	}
	if written := FoldUnconverted(s); !slices.Contains(forms, written) {
		forms = append(forms, written)
	}
	return forms
}

// IsASCII reports whether a text has ASCII characters only.
func IsASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// RegisteredDomain returns the registered domain of a domain in lower case, such as
// google.com of _spf.google.com, or example.co.uk of mx.example.co.uk; empty if there is
// none.
func RegisteredDomain(name string) string {
	if _, err := netip.ParseAddr(name); err == nil || strings.HasPrefix(name, "[") {
		return ""
	}
	if domain, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return domain
	}
	// Names below some registered domains, such as github.io, belong to others; the
	// domain itself belongs to its registrant.
	if suffix, icann := publicsuffix.PublicSuffix(name); suffix == name && !icann && strings.Contains(name, ".") {
		return name
	}
	return ""
}
