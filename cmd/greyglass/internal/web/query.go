package web

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// maxQuery bounds what is searched for, in octets: three addresses fit.
const maxQuery = 1000

// Query is what somebody searches for. Exactly one of the fields before Triplet is set, or
// Triplet, or Sender and Recipient; or none, if nothing is searched for.
type Query struct {
	Address string // of a sender or a recipient, as written
	Domain  string // of a sender or a recipient, and its subdomains
	Client  string // an address, a network, spf:DOMAIN or name:DOMAIN
	Code    string // of a reply, see [greylist.Triplet.Code]
	Word    string // a queue ID, or a local part

	Sender, Recipient string // as written

	Triplet *[3]string // client, sender and recipient, as written
}

// ParseQuery reads what somebody has written into the search field.
func ParseQuery(s string) (q Query, err error) {
	if len(s) > maxQuery || !utf8.ValidString(s) {
		return q, errors.New("the search is too long, or is not valid text")
	}
	words, err := splitWords(s)
	if err != nil {
		return q, err
	}
	if n := len(words); n > 1 && isAddress(words[n-1]) && !slices.ContainsFunc(words[:n-1], isNoName) {
		words = words[n-1:] // "Ann Example <ann@example.net>"
	}
	switch len(words) {
	case 0:
		return q, nil
	case 1:
		return parseWord(words[0])
	case 2:
		if words[0] != address.NullSender && !strings.Contains(words[0], "@") {
			return q, errors.New("two words are a sender and a recipient, but the first one is no address")
		}
		q.Sender, q.Recipient = words[0], words[1]
		return q, nil
	case 3:
		q.Triplet = &[3]string{words[0], words[1], words[2]}
		return q, nil
	}
	return q, errors.New("write one address, domain, client, code or queue ID; or a sender and a recipient; or a client, a sender and a recipient")
}

// splitWords splits at spaces and commas, except within quotation marks, which a local part
// may have (RFC 5321, section 4.1.2), and passes over arrows.
func splitWords(s string) (words []string, err error) {
	var word strings.Builder
	quoted, escaped := false, false
	end := func() {
		if w := word.String(); w != "" && w != "->" && w != "→" {
			words = append(words, w)
		}
		word.Reset()
	}
	for _, r := range s {
		switch {
		case !quoted && strings.ContainsRune(" \t\r\n,;\u00a0", r):
			end()
			continue
		case r == '"' && !escaped:
			quoted = !quoted
		}
		escaped = quoted && r == '\\' && !escaped
		word.WriteRune(r)
	}
	end()
	if quoted {
		return nil, errors.New("a quotation mark is not closed")
	}
	return words, nil
}

// isAddress reports whether a word is an address in angle brackets.
func isAddress(word string) bool {
	return strings.HasPrefix(word, "<") && strings.Contains(word, "@") && strings.HasSuffix(word, ">")
}

// isNoName reports whether a word is not of somebody's name.
func isNoName(word string) bool {
	_, notPrefix := address.ParsePrefix(word)
	_, isIdentity, _ := greylist.ParseIdentity(word)
	return notPrefix == nil || isIdentity || word == address.NullSender || !strings.HasPrefix(word, `"`) && strings.ContainsAny(word, "@[:")
}

func parseWord(word string) (q Query, err error) {
	code, notCode := greylist.ParseCode(word)
	_, isIdentity, notIdentity := greylist.ParseIdentity(word)
	_, notPrefix := address.ParsePrefix(word)
	bare := strings.TrimSuffix(strings.TrimPrefix(word, "<"), ">")
	at := strings.LastIndexByte(bare, '@')
	switch {
	case isIdentity:
		q.Client = word
		return q, notIdentity
	case notPrefix == nil && strings.ContainsAny(word, ".:"):
		q.Client = word
	case strings.HasPrefix(word, "[") || strings.HasPrefix(strings.ToLower(word), "ipv6:"):
		if _, err := address.ParseIP(word); err != nil {
			return q, errors.New("this is no address of a client")
		}
		q.Client = word
	case word == address.NullSender:
		q.Address = word
	case at == 0:
		q.Domain = strings.TrimPrefix(bare[1:], "*.")
	case at > 0:
		q.Address = word
	case notCode == nil && strings.Contains(word, "-"):
		q.Code = code
	case strings.Contains(word, "."):
		q.Domain = strings.TrimPrefix(strings.TrimPrefix(bare, "*"), ".")
	default:
		q.Word = word
	}
	if q == (Query{}) {
		return q, errors.New("this is no domain")
	}
	return q, nil
}
