// Package manual makes the manual's pages of what the program says of itself (its
// commands and their help, the table of its options), of the pages for each mail
// server, and of the prose beside this file. All of it is Markdown, of which
// go-md2man makes roff.
package manual

import (
	"bytes"
	"embed"
	"fmt"
	"regexp"
	"strings"
	"text/template"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// edition is the day on which the manual's own words were last changed.
const edition = "2026-11-29"

//go:embed *.md
var prose embed.FS

// Source is what the pages are made of, beside the prose.
type Source struct {
	Root      *cobra.Command
	Reference []byte         // of every key, in Markdown
	Attaching [][]byte       // a page for each mail server, in Markdown
	Numbers   map[string]any // what the prose names of the program's constants
}

// Pages returns the pages by their file names.
func Pages(s Source) (map[string][]byte, error) {
	pages := make(map[string][]byte)
	for _, p := range []struct{ name, section, about, generated string }{
		{"greyglass", "8", "greylisting for Postfix, Sendmail and Exim", commands(s.Root)},
		{"greyglass.toml", "5", "configuration of greyglass", withoutTitle(s.Reference)},
		{"greyglass-lists", "5", "lists of blocked senders and of exceptions", ""},
		{"greyglass-log", "5", "log of greyglass", ""},
		{"greyglass-mta", "7", "how to attach mail servers to greyglass", demoted(bytes.Join(s.Attaching, []byte("\n")))},
	} {
		text, err := s.fill(p.name + "." + p.section + ".md")
		if err != nil {
			return nil, err
		}
		page := fmt.Sprintf("# %s %s %q \"Greyglass\"\n\n## NAME\n\n%s - %s\n\n", strings.ToUpper(p.name), p.section, edition, p.name, p.about)
		// The prose has a line "<!-- here -->" where the generated part belongs.
		page += strings.Replace(text, "<!-- here -->\n", p.generated, 1)
		roff := emptyLines.ReplaceAll(md2man.Render([]byte(link.ReplaceAllString(page, "$1"))), []byte("\n.$1"))
		pages[p.name+"."+p.section] = append([]byte(".\\\" Made by 'go generate ./...'; change what it is made of.\n"), roff...)
	}
	return pages, nil
}

// emptyLines before a request, except before an example, would be shown beside the
// space that it makes.
var emptyLines = regexp.MustCompile(`\n\n+\.([^E])`)

// link is a link within the sources, whose target means nothing in a manual.
var link = regexp.MustCompile(`\[([^][]+)\]\([^)]+\)`)

// fill puts the program's numbers into a piece of prose.
func (s Source) fill(file string) (string, error) {
	t, err := template.New(file).Option("missingkey=error").ParseFS(prose, file)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.Execute(&b, s.Numbers); err != nil {
		return "", fmt.Errorf("manual: %w", err)
	}
	return b.String(), nil
}

// withoutTitle leaves out the first line of a Markdown document.
func withoutTitle(text []byte) string {
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	return string(rest)
}

// demoted makes sections below the sections that the titles of documents become.
func demoted(documents []byte) string {
	return strings.ReplaceAll(string(documents), "\n## ", "\n### ")
}

// commands is what --help says of each command, in Markdown.
func commands(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("## OPTIONS\n\nAll commands take these:\n\n")
	flags(&b, root.PersistentFlags())
	b.WriteString("## COMMANDS\n\n")
	for _, c := range root.Commands() {
		if c.Hidden {
			continue
		}
		fmt.Fprintf(&b, "### %s\n\n%s\n\n", strings.TrimSuffix(c.UseLine(), " [flags]"), plain(c.Long))
		flags(&b, c.LocalNonPersistentFlags())
		if c.Example != "" {
			fmt.Fprintf(&b, "For example:\n\n```\n%s\n```\n\n", strings.ReplaceAll(strings.TrimPrefix(c.Example, "  "), "\n  ", "\n"))
		}
	}
	return b.String()
}

func flags(b *strings.Builder, set *pflag.FlagSet) {
	set.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" && !strings.Contains(usage, "default") {
			usage += " (default: " + f.DefValue + ")"
		}
		if value != "" {
			value = " *" + value + "*"
		}
		fmt.Fprintf(b, "**--%s**%s\n: %s\n\n", f.Name, value, plain(usage))
	})
}

// plain keeps what stands in a help text from being taken for markup.
var plain = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "`", "\\`").Replace
