// Package manual makes the manual's pages out of what the program says of
// itself (its commands and their help, the table of its options), of the pages
// for each mail server, and of the prose beside this file.
package manual

import (
	"bytes"
	"embed"
	"fmt"
	"text/template"

	"github.com/spf13/cobra"
)

// edition is the day on which the manual's own words were last changed.
const edition = "2026-11-22"

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
	for _, p := range []struct {
		name, section, about string
		rest                 func(*man)
	}{
		{"greyglass", "8", "greylisting for Postfix, Sendmail and Exim", func(m *man) { m.commands(s.Root) }},
		{"greyglass.toml", "5", "configuration of greyglass", func(m *man) { m.markdown(withoutTitle(s.Reference), 2) }},
		{"greyglass-lists", "5", "lists of blocked senders and of exceptions", nil},
		{"greyglass-log", "5", "log of greyglass", nil},
		{"greyglass-mta", "7", "how to attach mail servers to greyglass", func(m *man) {
			for _, page := range s.Attaching {
				m.markdown(page, 1)
			}
		}},
	} {
		m := &man{}
		m.title(p.name, p.section, p.about)
		// The prose has a line "<!-- here -->" where the made part belongs.
		text, err := s.fill(p.name + "." + p.section + ".md")
		if err != nil {
			return nil, err
		}
		before, after, _ := bytes.Cut(text, []byte("<!-- here -->\n"))
		m.markdown(before, 2)
		if p.rest != nil {
			p.rest(m)
		}
		m.markdown(after, 2)
		pages[p.name+"."+p.section] = m.out.Bytes()
	}
	return pages, nil
}

// fill puts the program's numbers into a piece of prose.
func (s Source) fill(file string) ([]byte, error) {
	t, err := template.New(file).Option("missingkey=error").ParseFS(prose, file)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, s.Numbers); err != nil {
		return nil, fmt.Errorf("manual: %w", err)
	}
	return b.Bytes(), nil
}

// withoutTitle leaves out the first line of a Markdown document.
func withoutTitle(text []byte) []byte {
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	return rest
}
