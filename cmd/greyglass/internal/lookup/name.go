package lookup

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"greyglass/greylist/address"
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

// RegisteredDomain is [address.RegisteredDomain] of a host name; empty for an invalid one.
func RegisteredDomain(name string) string {
	name, ok := canonicalName(name)
	if !ok {
		return ""
	}
	return address.RegisteredDomain(name)
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
