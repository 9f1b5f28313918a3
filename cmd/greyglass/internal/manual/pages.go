// Package manual makes the manual pages from the help of the commands, the table of
// options, the pages for each mail server, and the Markdown files beside this one.
// go-md2man converts them to roff.
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

// edition is the date of the manual pages.
const edition = "2026-11-29"

//go:embed *.md
var prose embed.FS

// Source is what the pages are made of, besides the Markdown files.
type Source struct {
	Root      *cobra.Command
	Reference []byte         // of every key, in Markdown
	JSON      []byte         // what commands print as JSON, in Markdown
	Attaching [][]byte       // a page for each mail server, in Markdown
	HowTo     []byte         // the answers to "How do I …", in Markdown
	Numbers   map[string]any // the program's constants, for the Markdown files
}

// Pages returns the pages by their file names.
func Pages(s Source) (map[string][]byte, error) {
	pages := make(map[string][]byte)
	for _, p := range []struct{ name, section, about, generated string }{
		{"greyglass", "8", "greylisting for Postfix, Sendmail and Exim", commands(s.Root)},
		{"greyglass.toml", "5", "configuration of greyglass", withoutTitle(s.Reference)},
		{"greyglass-lists", "5", "lists of blocked senders and of exceptions", ""},
		{"greyglass-log", "5", "log of greyglass", ""},
		{"greyglass-howto", "7", "how an administrator does what with greyglass", withoutTitle([]byte(demoted(s.HowTo)))},
		{"greyglass-web", "7", "web page of greyglass for those who answer questions about mail", ""},
		{"greyglass-json", "5", "what commands of greyglass print as JSON", withoutTitle(s.JSON)},
		{"greyglass-mta", "7", "how to attach mail servers to greyglass", demoted(bytes.Join(s.Attaching, []byte("\n")))},
	} {
		text, err := s.fill(p.name + "." + p.section + ".md")
		if err != nil {
			return nil, err
		}
		page := fmt.Sprintf("# %s %s %q \"Greyglass\"\n\n## NAME\n\n%s - %s\n\n", strings.ToUpper(p.name), p.section, edition, p.name, p.about)
		// The generated part replaces the line "<!-- here -->".
		page += strings.Replace(text, "<!-- here -->\n", p.generated, 1)
		roff := emptyLines.ReplaceAll(md2man.Render([]byte(link.ReplaceAllString(page, "$1"))), []byte("\n.$1"))
		pages[p.name+"."+p.section] = append([]byte(".\\\" Made by 'go generate ./...'; change what it is made of.\n"), roff...)
	}
	return pages, nil
}

// emptyLines before a request, except before an example, would add to its own space.
var emptyLines = regexp.MustCompile(`\n\n+\.([^E])`)

// link is a link within the sources, which a manual page cannot follow.
var link = regexp.MustCompile(`\[([^][]+)\]\([^)]+\)`)

// fill executes a Markdown file as a template.
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

// withoutTitle removes the first line of a Markdown document.
func withoutTitle(text []byte) string {
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	return string(rest)
}

// demoted moves all headings one level down.
func demoted(documents []byte) string {
	return strings.ReplaceAll(string(documents), "\n## ", "\n### ")
}

// commands writes what --help says of each command, in Markdown. cobra's own generator
// would make a page of each command, and no page with the prose of greyglass(8) around
// them.
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

// plain escapes Markdown in a help text.
var plain = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "`", "\\`").Replace
