package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
)

// value returns the value of a key.
func (c *Config) value(key string) any {
	v := reflect.ValueOf(c).Elem()
	for name := range strings.SplitSeq(key, ".") {
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("koanf") == name {
				v = v.Field(i)
				break
			}
		}
	}
	return v.Interface()
}

// Print writes the configuration as TOML without passwords, with the origin of each
// value in a comment.
func (l *Loaded) Print(w io.Writer) error {
	var b strings.Builder
	for i, s := range Sections {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "[%s]\n", s.Name)
		for i := range s.Options {
			o := &s.Options[i]
			fmt.Fprintf(&b, "%s = %s  # %s\n", o.name(), o.spell(l.Config.value(o.Key)), comment(l.Origins[o.Key]))
		}
	}
	for i := range l.Config.Rule {
		l.Config.Rule[i].print(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// print writes the rule in TOML.
func (r *Rule) print(b *strings.Builder) {
	fmt.Fprintf(b, "\n[[rule]]  # %s\n", comment(r.at.String()))
	for i := range ruleSection.Options {
		o := &ruleSection.Options[i]
		if value, ok := r.values[o.name()]; ok {
			written := spell(value)
			if o.name() == "when" {
				written = literal(r.When)
			}
			fmt.Fprintf(b, "%s = %s  # %s\n", o.name(), written, comment(r.from[o.name()].String()))
		}
	}
}

// comment is an origin without control characters, which TOML forbids in comments.
func comment(from string) string {
	quoted := quote(from)
	return quoted[1 : len(quoted)-1]
}

// Printed is the configuration as JSON.
type Printed struct {
	Keys  []PrintedKey     `json:"keys"`
	Rules []map[string]any `json:"rules"` // each with the keys that are given, and "from"
}

// PrintedKey is a key. Its value has no password; a duration is written as in TOML.
type PrintedKey struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
	From  string `json:"from"` // where the value comes from
}

// JSON is what Print writes, for JSON.
func (l *Loaded) JSON() Printed {
	printed := Printed{Rules: []map[string]any{}}
	for _, s := range Sections {
		for i := range s.Options {
			o := &s.Options[i]
			printed.Keys = append(printed.Keys, PrintedKey{o.Key, o.forJSON(l.Config.value(o.Key)), l.Origins[o.Key]})
		}
	}
	for i := range l.Config.Rule {
		r := &l.Config.Rule[i]
		rule := map[string]any{"from": r.at.String()}
		for i := range ruleSection.Options {
			o := &ruleSection.Options[i]
			if value, ok := r.values[o.name()]; ok {
				rule[o.name()] = o.forJSON(value)
			}
		}
		printed.Rules = append(printed.Rules, rule)
	}
	return printed
}

// forJSON is a value without a password, and a duration as it is written in TOML.
func (o *Option) forJSON(value any) any {
	switch v := value.(type) {
	case string:
		if o.Secret {
			return maskPassword(v)
		}
	case time.Duration:
		return strings.Trim(spell(v), `"`)
	}
	return value
}

// Restart returns the keys that differ between two configurations and take effect only
// at a restart.
func Restart(old, new *Config) []string {
	var keys []string
	for _, s := range Sections {
		for _, o := range s.Options {
			if o.Restart && !reflect.DeepEqual(old.value(o.Key), new.value(o.Key)) {
				keys = append(keys, o.Key)
			}
		}
	}
	return keys
}
