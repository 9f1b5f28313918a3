package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// spell writes a value in TOML: one of the configuration, or of the TOML parser.
func spell(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case float64:
		if v == math.Trunc(v) {
			return strconv.FormatFloat(v, 'f', 1, 64)
		}
	case time.Duration:
		return quote(inWords(v))
	case []string:
		return spellList(v)
	case [][]string:
		return spellList(v)
	case []any:
		return spellList(v)
	case map[string]any:
		return "{…}"
	}
	return fmt.Sprint(v)
}

func spellList[E any](entries []E) string {
	spelled := make([]string, len(entries))
	for i, e := range entries {
		spelled[i] = spell(e)
	}
	return "[" + strings.Join(spelled, ", ") + "]"
}

// inWords writes whole seconds as such, because 25000s is better known than 6h56m40s.
// It writes only long times of whole days in days.
func inWords(d time.Duration) string {
	if d >= 30*day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	if d%time.Second == 0 {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return d.String()
}

// quote writes a TOML basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// literal writes a TOML literal string, which needs no escapes, if the value allows it.
func literal(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r == '\'' || !unicode.IsPrint(r) }) {
		return quote(s)
	}
	return "'" + s + "'"
}

// typeOf names the TOML type of a value of the TOML parser.
func typeOf(raw any) string {
	switch raw.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64:
		return "a number"
	case float64:
		return "a fraction"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}

var passwordParameter = regexp.MustCompile(`(?i)([?&][a-z]*password=)[^&]*`)

// maskPassword hides the passwords in a database URL. In a malformed URL it hides more
// rather than less.
func maskPassword(s string) string {
	s = passwordParameter.ReplaceAllString(s, "${1}***")
	scheme, rest, ok := strings.Cut(s, "://")
	at := strings.LastIndexByte(rest, '@')
	if !ok || at < 0 || strings.HasPrefix(s, sqliteScheme) {
		return s
	}
	user, _, hasPassword := strings.Cut(rest[:at], ":")
	if !hasPassword {
		return s
	}
	return scheme + "://" + user + ":***" + rest[at:]
}
