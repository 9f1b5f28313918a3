package config

import (
	"slices"
	"strings"
	"unicode"
)

// Problem is an error in the configuration.
type Problem struct {
	Where  string // "file:line", the name of an environment variable, or "--set"
	Key    string // "section.key", or "section.key[2]" for an entry of a list; may be empty
	Value  string // in TOML; may be empty
	Detail string // what is wrong
	Fix    string // how to fix it
}

// Warning is something in a usable configuration that may be wrong.
type Warning struct {
	Key    string // may be empty
	Detail string // one line
	Fix    string
}

// longestValue is how many bytes of a value a problem shows.
const longestValue = 120

// String is one line: "where: section.key = value: what is wrong; how to fix it".
func (m Problem) String() string {
	var b strings.Builder
	b.WriteString(m.Where + ": ")
	if m.Key != "" {
		b.WriteString(m.Key)
		if m.Value != "" {
			b.WriteString(" = " + shorten(m.Value))
		}
		b.WriteString(": ")
	}
	b.WriteString(m.Detail)
	if m.Fix != "" {
		b.WriteString("; " + m.Fix)
	}
	return strings.Map(shown, b.String())
}

// shown replaces control characters, which the name of a file or variable may contain.
func shown(r rune) rune {
	if unicode.IsControl(r) {
		return unicode.ReplacementChar
	}
	return r
}

// Problems is the error of a configuration: all problems of the file, the environment,
// the command line, of values that conflict, and of list files, in this order.
type Problems struct{ List []Problem }

// Error is one line a problem.
func (m *Problems) Error() string {
	lines := make([]string, len(m.List))
	for i, problem := range m.List {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// orNil returns the problems as an error, nil if there are none.
func (m *Problems) orNil() error {
	if len(m.List) == 0 {
		return nil
	}
	return m
}

func (m *Problems) add(more ...Problem) { m.List = append(m.List, more...) }

// about reports whether there is a problem in the value of a key.
func (m *Problems) about(key string) bool {
	return slices.ContainsFunc(m.List, func(m Problem) bool { return m.Key == key })
}

func shorten(s string) string {
	if len(s) <= longestValue {
		return s
	}
	return strings.ToValidUTF8(s[:longestValue], "") + "…"
}
