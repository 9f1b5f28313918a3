// Package address knows how addresses, patterns of addresses and address prefixes
// are written, and in which form they are compared. It imports no other package of Greyglass but problem.
package address

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// NullSender is how the null reverse-path of a bounce is written (RFC 5321,
// section 4.5.5).
const NullSender = "<>"

// The longest local part, domain and address of SMTP, in octets (RFC 5321,
// section 4.5.3.1). Longer local parts are in use, so only the sum counts.
const (
	maxLocal   = 64
	maxDomain  = 255
	maxAddress = maxLocal + 1 + maxDomain
)

// Fold brings an address into the form in which it is compared,
// remembered and shown: without angle brackets and source route, in lower case,
// its local part quoted only if it must be (RFC 5321, section 4.1.2, holds
// john and "john" for the same), and with everything that is not printable
// UTF-8 written as an escape. The empty address and <> are [NullSender].
//
// Nothing is refused: an MTA has taken the address, so it must be judged. One
// longer than SMTP allows keeps its domain and gets a hash for the rest.
//
// The result folds to itself, so that people can give commands what they were
// shown.
//
// An internationalized domain is written as [Domain] says.
func Fold(s string) string { return fold(s, Domain) }

func fold(s string, foldDomain func(string) string) string {
	return fit(foldWhole(s, foldDomain))
}

// foldWhole is fold for addresses of any length.
func foldWhole(s string, foldDomain func(string) string) string {
	if len(s) >= 2 && s[0] == '<' && s[len(s)-1] == '>' {
		s = s[1 : len(s)-1]
	}
	if s == "" {
		return NullSender
	}
	if isPlain(s) {
		return s
	}
	if s[0] == '@' { // a source route, @a,@b:user@c, is to be ignored (RFC 5321, appendix C)
		if _, rest, ok := strings.Cut(s, ":"); ok && rest != "" {
			s = rest
		}
	}
	local, domain, hasDomain := Cut(s)
	local, domain = clean(unquote(local)), foldDomain(domain) // "example.org." is example.org
	s = quote(local)
	if hasDomain {
		s += "@" + domain
	}
	return s
}

// fit shortens a folded address that is too long.
func fit(s string) string {
	if len(s) <= maxAddress {
		return s
	}
	local, domain, hasDomain := Cut(s)
	return shorten(unquote(local), domain, hasDomain)
}

// isPlain reports whether folding would not change s, for the great majority
// of addresses, which are short, plain and in lower case.
func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte(".-_+=", c) >= 0 {
			continue
		}
		if c == '@' && i > 0 {
			continue
		}
		return false
	}
	return len(s) <= maxAddress && strings.Count(s, "@") <= 1 && s[len(s)-1] != '.'
}

// Cut splits an address at its last "@".
func Cut(s string) (local, domain string, ok bool) {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// unquote takes a local part out of its quotes, if it stands in any.
func unquote(local string) string {
	if len(local) >= 2 && local[0] == '"' && local[len(local)-1] == '"' {
		return unescape(local[1 : len(local)-1])
	}
	return local
}

// quote puts a local part into quotes if it must stand in them. Dots are left
// as they are where RFC 5321 forbids them: such addresses are in use.
func quote(local string) string {
	if local != "" && strings.IndexFunc(local, needsQuotes) < 0 {
		return local
	}
	return `"` + quoteEscaper.Replace(local) + `"`
}

var quoteEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// needsQuotes reports whether the character is neither atext nor a dot (RFC
// 5322, section 3.2.3, with RFC 6532 for what is not ASCII).
func needsQuotes(r rune) bool {
	return r < utf8.RuneSelf && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
		strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r))
}

// unescape removes the backslashes of quoted pairs.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// clean brings a part of an address into lower case and printable characters.
func clean(s string) string { return strings.ToLower(Printable(s)) }

// Printable writes control characters, bytes that are not UTF-8, and whatever
// else a terminal or a log would not show as itself, as \xNN or \u{N}.
func Printable(s string) string {
	odd := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if strings.IndexFunc(s, odd) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case !odd(r):
			b.WriteString(s[i : i+n])
		case r == utf8.RuneError && n == 1, r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
		i += n
	}
	return b.String()
}

// shorten makes an address that is too long fit, and keeps it apart from all
// others by a hash. What is left of the local part needs no quotes; the domain
// stays, because rules ask for it, unless no such domain can exist.
func shorten(local, domain string, hasDomain bool) string {
	sum := sha256.Sum256([]byte(local + "@" + domain))
	tail := "..." + hex.EncodeToString(sum[:16])
	atoms := strings.Map(func(r rune) rune {
		if needsQuotes(r) {
			return -1
		}
		return r
	}, local)
	s := beginning(atoms, maxLocal-len(tail)) + tail
	if len(domain) > maxDomain {
		domain = beginning(domain, maxDomain-len(tail)) + tail
	}
	if hasDomain {
		s += "@" + domain
	}
	return s
}

// beginning returns at most the first n octets of s, and no part of a character.
func beginning(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
