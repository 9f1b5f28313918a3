package config

import (
	"slices"
	"strings"
)

// Option is one key of the configuration.
type Option struct {
	Key     string // "section.key"
	Default any    // string, bool, int, time.Duration, []string or [][]string
	Kind    kind
	Comment string // for the sample file; lines of at most 78 characters
	Doc     string // for the reference: unit, meaning, consequences; Markdown

	Secret  bool // may hold a password, which is never printed
	Restart bool // a change takes effect at a restart
}

// Section is a TOML table of the configuration.
type Section struct {
	Name    string
	Doc     string // one sentence
	Options []Option
}

// Sections are all that can be configured, in the order of the sample file.
var Sections = []Section{listenSection, storeSection, greylistSection, rulesSection, blockedSection, replySection, dnsSection, learnSection, logSection, limitsSection, webSection}

// name is the key without its section.
func (o *Option) name() string { return o.Key[strings.IndexByte(o.Key, '.')+1:] }

// byKey has all options.
var byKey = func() map[string]*Option {
	m := make(map[string]*Option)
	for _, s := range Sections {
		for i := range s.Options {
			m[s.Options[i].Key] = &s.Options[i]
		}
	}
	return m
}()

// isSection reports whether there is a section of that name.
func isSection(name string) bool {
	return slices.ContainsFunc(Sections, func(s Section) bool { return s.Name == name })
}

// Spelled is the default in TOML.
func (o *Option) Spelled() string { return spell(o.Default) }
