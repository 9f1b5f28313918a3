package config

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// origin is the source of a value.
type origin struct {
	source string // "default", "profile NAME", a file, an environment variable, "--set"
	place         // in a file
}

func (o origin) String() string {
	if o.line == 0 {
		return o.source
	}
	return fmt.Sprintf("%s:%d", o.source, o.line)
}

// entry is the origin of an entry of a list.
func (o origin) entry(i int) origin {
	if i < 0 || i >= len(o.entries) {
		return o
	}
	return origin{o.source, place{line: o.entries[i]}}
}

// layer has the checked values of one source by key, and their origins.
type layer struct {
	values  map[string]any
	origins map[string]origin
	rules   []Rule
	empty   bool // the file is empty or missing
}

func newLayer() layer { return layer{values: map[string]any{}, origins: map[string]origin{}} }

// take checks a value and adds it to the layer, or reports what is wrong with it.
func (l layer) take(o *Option, raw any, from origin, problems *Problems) {
	value, faults := o.Kind.read(raw)
	for _, f := range faults {
		m := Problem{from.entry(f.index).String(), o.Key, o.spell(raw), f.detail, f.fix}
		if f.index != whole {
			m.Key = fmt.Sprintf("%s[%d]", o.Key, f.index)
			m.Value = spell(raw.([]any)[f.index])
		}
		problems.add(m)
	}
	if len(faults) > 0 {
		return
	}
	l.values[o.Key] = value
	l.origins[o.Key] = from
}

// spell writes a value as it stands in a TOML file, without its passwords.
func (o *Option) spell(v any) string {
	if s, ok := v.(string); ok && o.Secret {
		v = maskPassword(s)
	}
	return spell(v)
}

// takeText is take for a value from outside of a file, where strings need no quotes.
func (l layer) takeText(o *Option, s string, from origin, problems *Problems) {
	raw, ok := parseValue(s)
	if _, isString := raw.(string); !ok || o.Kind.textual() && !isString {
		raw = s
	}
	l.take(o, raw, from, problems)
}

// parseValue reads a single TOML value.
func parseValue(s string) (any, bool) {
	var document map[string]any
	if err := toml.Unmarshal([]byte("value = "+strings.TrimSpace(s)), &document); err != nil {
		return nil, false
	}
	value, ok := document["value"]
	return value, ok && len(document) == 1
}

// unknown reports an unknown key or section.
func unknown(path []string, raw any, from origin, problems *Problems) {
	m := Problem{Where: from.String(), Key: joinPath(path)}
	if s, ok := raw.(string); ok {
		raw = maskPassword(s) // a misspelled key may hold a password
	}
	_, isTable := raw.(map[string]any)
	switch {
	case len(path) == 1 && isTable:
		m.Key = "[" + m.Key + "]"
		m.Detail, m.Fix = "unknown section", suggestSection(path[0])
	case len(path) == 1:
		m.Value, m.Detail, m.Fix = spell(raw), "a key outside of any section", suggestSection(path[0])
	default:
		m.Value, m.Detail, m.Fix = spell(raw), "unknown key", suggestKey(path[0], strings.Join(path[1:], "."))
	}
	problems.add(m)
}
