package config

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
)

//go:generate go test -run ^TestGeneratedFiles$ . -update

// Sample returns the sample configuration file: all keys, commented out, with their
// defaults.
func Sample() []byte {
	var b bytes.Buffer
	b.WriteString(`# The configuration of Greyglass, usually /etc/greyglass/greyglass.toml.
#
# Every key is here with its default: remove the "#" before a key to change it.
# "greyglass config" lists mistakes, and prints each value with its origin.
# Times are written "90s" or "1h30m"; a bare number is seconds.
`)
	for _, s := range Sections {
		fmt.Fprintf(&b, "\n[%s]\n", s.Name)
		for _, o := range s.Options {
			fmt.Fprintf(&b, "\n# %s\n#%s = %s\n", strings.ReplaceAll(o.Comment, "\n", "\n# "), o.name(), spell(o.Default))
		}
	}
	b.WriteString(ruleSample)
	return b.Bytes()
}

// ruleSample is the part of the sample file about rules.
const ruleSample = `
# Ordered rules: the first whose condition holds answers, after the lists of
# [rules] and before the greylist. greyglass.toml(5) has the facts that a
# condition can ask for; "greyglass explain" shows which rule answers.

# [[rule]]
# name = "no-greylisting-for-sales"
# when = 'recipient in list("/etc/greyglass/no-greylisting.list")'
# then = "accept"
#
# [[rule]]
# name = "no-name"
# when = 'client_name == "" || dnsbl("zen.spamhaus.org") || spf == "fail"'
# then = "greylist"
# min_defer_time = "1h"
`

// Reference returns the reference of every key, in Markdown.
func Reference() []byte {
	var b bytes.Buffer
	b.WriteString("# Configuration\n\n" +
		"Greyglass reads one TOML file, by default `" + DefaultFile + "`, in which every key is optional.\n" +
		"An environment variable `GREYGLASS_SECTION__KEY`, with two underscores between section and key, overrides the file;\n" +
		"the flag `--set section.key=VALUE` overrides both. In these two, lists are written as in TOML, and strings need no quotes.\n\n" +
		"A duration is a string such as `\"90s\"`, `\"1h30m\"` or `\"30d\"`, or a bare number of seconds.\n" +
		"An unknown key or section is an error, and so is a value of the wrong type.\n" +
		"`greyglass config` prints the configuration that holds and where each value comes from, or lists every error in it.\n" +
		"SIGHUP makes the daemon read everything again; keys that take effect only at a restart are marked.\n")
	for _, s := range Sections {
		fmt.Fprintf(&b, "\n## [%s]\n\n%s\n", s.Name, s.Doc)
		s.describe(&b)
	}
	fmt.Fprintf(&b, "\n## [[%s]]\n\n%s\n", ruleSection.Name, ruleSection.Doc)
	ruleSection.describe(&b)
	b.WriteString(languageReference)
	return b.Bytes()
}

// describe writes the reference of each key.
func (s Section) describe(b *bytes.Buffer) {
	for _, o := range s.Options {
		typ, allowed := o.Kind.describe()
		fmt.Fprintf(b, "\n### %s\n\n- Type: %s\n", o.Key, typ)
		if o.Default != nil {
			fmt.Fprintf(b, "- Default: `%s`\n", spell(o.Default))
		}
		if allowed != "" {
			fmt.Fprintf(b, "- Allowed: %s\n", allowed)
		}
		if o.Restart {
			b.WriteString("- Takes effect at a restart\n")
		}
		fmt.Fprintf(b, "\n%s\n", o.Doc)
	}
}

//go:embed language.md
var languageReference string
