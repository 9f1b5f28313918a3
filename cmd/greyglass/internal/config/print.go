package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"
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
			from := quote(l.Origins[o.Key]) // TOML forbids control characters in comments
			fmt.Fprintf(&b, "%s = %s  # %s\n", o.name(), o.spell(l.Config.value(o.Key)), from[1:len(from)-1])
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
	fmt.Fprintf(b, "\n[[rule]]  # %s\n", comment(r.at))
	for i := range ruleSection.Options {
		o := &ruleSection.Options[i]
		if value, from := r.value(o.name()), r.from[o.name()]; value != nil {
			written := spell(value)
			if o.name() == "when" {
				written = literal(r.When)
			}
			fmt.Fprintf(b, "%s = %s  # %s\n", o.name(), written, comment(from))
		}
	}
}

// comment is an origin without control characters, which TOML forbids in comments.
func comment(from origin) string { return strings.Trim(quote(from.String()), `"`) }

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
