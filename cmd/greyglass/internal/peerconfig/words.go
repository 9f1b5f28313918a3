package peerconfig

import (
	"errors"
	"regexp"
	"strings"
)

// word is a word of milter-greylist's configuration.
type word struct {
	text   string
	quoted bool // it stood in quotes
	regexp bool // it stood between slashes
}

// is reports whether the word is a keyword, in any case and with or without a colon.
func (w word) is(keyword string) bool {
	return !w.quoted && !w.regexp && strings.EqualFold(strings.TrimSuffix(w.text, ":"), keyword)
}

var token = regexp.MustCompile(`^(?:"([^"]*)"|/([^/]+)/|([{}])|([^\s{}"]+))`)

// words splits a line, up to a comment. A slash begins a regular expression only as the
// first character of a word that has another.
func words(s string) (all []word, err error) {
	for {
		s = strings.TrimSpace(s)
		if s == "" || s[0] == '#' {
			return all, nil
		}
		m := token.FindStringSubmatch(s)
		switch {
		case m == nil:
			return nil, errors.New("a quote is not closed")
		case s[0] == '"':
			all = append(all, word{text: m[1], quoted: true})
		case m[2] != "":
			all = append(all, word{text: m[2], regexp: true})
		default:
			all = append(all, word{text: m[0]})
		}
		s = s[len(m[0]):]
	}
}

// joined joins lines that end in a backslash with the next, and those of braces that are
// not closed.
func joined(lines []line) (all []line) {
	open := false // the last of all is continued
	for _, l := range lines {
		text, continued := strings.CutSuffix(l.text, `\`)
		if open && len(all[len(all)-1].text) < maxLine {
			all[len(all)-1].text += " " + text
		} else {
			all = append(all, line{l.n, text})
		}
		last := all[len(all)-1].text
		open = continued || strings.Count(last, "{") > strings.Count(last, "}")
	}
	return all
}

// extended converts a basic regular expression (re_format(7)) to an extended one: what
// has a meaning with a backslash in the one has it without in the other.
func extended(basic string) string {
	var b strings.Builder
	for i := 0; i < len(basic); i++ {
		switch c := basic[i]; {
		case c == '\\' && i+1 < len(basic) && strings.IndexByte("(){}", basic[i+1]) >= 0:
			i++
			b.WriteByte(basic[i])
		case c == '\\' && i+1 < len(basic):
			b.WriteString(basic[i : i+2])
			i++
		case strings.IndexByte("(){}+?|", c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
