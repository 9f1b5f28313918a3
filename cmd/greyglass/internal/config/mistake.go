package config

import (
	"slices"
	"strings"
	"unicode"
)

// Mistake is something in the configuration that cannot be meant.
type Mistake struct {
	Where string // "file:line", the name of an environment variable, or "--set"
	Key   string // "section.key", or "section.key[2]" for an entry of a list; may be empty
	Value string // as it would stand in a TOML file; may be empty
	What  string // is wrong
	Mend  string // how it can be put right
}

// longestValue is how much of a value a mistake shows, in bytes.
const longestValue = 120

// String is one line: "where: section.key = value: what is wrong; how to mend it".
func (m Mistake) String() string {
	var b strings.Builder
	b.WriteString(m.Where + ": ")
	if m.Key != "" {
		b.WriteString(m.Key)
		if m.Value != "" {
			b.WriteString(" = " + shorten(m.Value))
		}
		b.WriteString(": ")
	}
	b.WriteString(m.What)
	if m.Mend != "" {
		b.WriteString("; " + m.Mend)
	}
	return strings.Map(shown, b.String())
}

// shown replaces what would break a line or steer a terminal, which the name of
// a file or variable may hold.
func shown(r rune) rune {
	if unicode.IsControl(r) {
		return unicode.ReplacementChar
	}
	return r
}

// Mistakes is the error of a configuration that cannot be used. It holds all
// that is wrong, in the order file, environment, command line, what does not go
// together, list files.
type Mistakes struct{ List []Mistake }

// Error is one line a mistake.
func (m *Mistakes) Error() string {
	lines := make([]string, len(m.List))
	for i, mistake := range m.List {
		lines[i] = mistake.String()
	}
	return strings.Join(lines, "\n")
}

// orNil returns the mistakes as an error, nil if there are none.
func (m *Mistakes) orNil() error {
	if len(m.List) == 0 {
		return nil
	}
	return m
}

func (m *Mistakes) add(more ...Mistake) { m.List = append(m.List, more...) }

// about reports whether there is a mistake in the value of a key, so that it is
// not known what was meant.
func (m *Mistakes) about(key string) bool {
	return slices.ContainsFunc(m.List, func(m Mistake) bool { return m.Key == key })
}

func shorten(s string) string {
	if len(s) <= longestValue {
		return s
	}
	return strings.ToValidUTF8(s[:longestValue], "") + "…"
}
