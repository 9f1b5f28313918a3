package manual

import (
	"bytes"
	"fmt"
	"strings"
)

// width is that of the lines in the pages' source.
const width = 78

// man writes a page in the language of man(7).
type man struct {
	out  bytes.Buffer
	bare bool // a heading or an item has begun, and has no text yet
}

func (m *man) title(name, section, about string) {
	fmt.Fprintf(&m.out, ".\\\" Made by 'go generate ./...'; change what it is made of.\n.TH %s %s %s Greyglass\n", strings.ToUpper(name), section, edition)
	m.heading("SH", "NAME")
	fmt.Fprintf(&m.out, "%s \\- %s\n", name, about)
}

func (m *man) heading(macro, text string) {
	fmt.Fprintf(&m.out, ".%s %s\n", macro, quoted(text))
	m.bare = true
}

// paragraph writes a text whose markup is that of roff already.
func (m *man) paragraph(text string) {
	if !m.bare {
		m.out.WriteString(".PP\n")
	}
	m.fill(text)
}

// item writes a paragraph behind a tag.
func (m *man) item(tag, text string) {
	m.out.WriteString(".TP\n")
	m.fill(tag)
	m.fill(text)
}

// bullet writes an item of a list.
func (m *man) bullet(text string) {
	m.out.WriteString(".IP \\(bu 2\n")
	m.fill(text)
}

// verbatim writes lines that are not filled.
func (m *man) verbatim(lines string) {
	if !m.bare {
		m.out.WriteString(".PP\n")
	}
	m.out.WriteString(".RS 4\n.EX\n")
	for line := range strings.Lines(lines) {
		m.out.WriteString(safe(verbatim(strings.TrimRight(line, "\n"))) + "\n")
	}
	m.out.WriteString(".EE\n.RE\n")
	m.bare = false
}

// fill writes words in lines of at most width characters, where that can be.
func (m *man) fill(text string) {
	m.bare = false
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			m.out.WriteString(safe(line) + "\n")
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		m.out.WriteString(safe(line) + "\n")
	}
}

// safe keeps a line from being taken for a request.
func safe(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}

// plain writes a text as roff.
var plain = strings.NewReplacer(`\`, `\e`, "…", "...", "–", `\(en`, "\u00a0", " ").Replace

// verbatim writes a text as roff that is to be copied character by character.
var verbatim = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "…", "...").Replace

func bold(text string) string   { return `\fB` + text + `\fP` }
func italic(text string) string { return `\fI` + text + `\fP` }

// code writes a text that is to be copied, of which the words stay together
// where that does not make a line too long.
func code(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		words[i] = bold(verbatim(w))
	}
	return strings.Join(words, " ")
}

// quoted writes a text as one argument of a macro.
func quoted(text string) string {
	if strings.ContainsAny(text, " \"") {
		return `"` + strings.ReplaceAll(text, `"`, `\(dq`) + `"`
	}
	return text
}
