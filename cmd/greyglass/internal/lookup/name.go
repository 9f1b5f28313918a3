package lookup

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// The longest name and label, in octets (RFC 1035, section 2.3.4), without the
// dot at the end.
const (
	maxName  = 253
	maxLabel = 63
)

// canonicalName returns a domain name in lower case, without the dot at its end, in its
// ASCII form, and whether it is valid for a host, mail domain or SPF record.
func canonicalName(name string) (string, bool) {
	name = strings.TrimSuffix(name, ".")
	if len(name) > 4*maxName || !utf8.ValidString(name) { // longer than any spelling of a valid name
		return name, false
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; c >= 0x80 {
			ascii, err := idna.Lookup.ToASCII(name)
			if err != nil {
				return name, false
			}
			name = ascii
			break
		} else if c <= ' ' || c == '\\' || c == '"' || c == 0x7f {
			return name, false
		}
	}
	name = strings.ToLower(name)
	if name == "" || len(name) > maxName {
		return name, false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel {
			return name, false
		}
	}
	return name, true
}

// presented returns a canonical name in the presentation format, with a dot at its end.
func presented(name string) string { return escaper.Replace(name) + "." }

var escaper = strings.NewReplacer("'", `\'`, "@", `\@`, ";", `\;`, "(", `\(`, ")", `\)`)

// RegisteredDomain returns the registered domain of a host name, such as google.com of
// _spf.google.com, or example.co.uk of mx.example.co.uk; empty if there is none.
func RegisteredDomain(name string) string {
	name, ok := canonicalName(name)
	if !ok {
		return ""
	}
	if _, err := netip.ParseAddr(name); err == nil {
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

// printable replaces everything but printable ASCII by "?", and cuts long texts.
func printable(s string) string {
	const longest = 300
	if len(s) > longest {
		s = s[:longest] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
