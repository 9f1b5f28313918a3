package manual

import (
	"fmt"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extensionast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

var parser = goldmark.New(goldmark.WithExtensions(extension.DefinitionList)).Parser()

// markdown writes a document of which headings of the level top are sections.
// It panics on what has no counterpart here, which generating the pages shows.
func (m *man) markdown(source []byte, top int) {
	document := parser.Parse(text.NewReader(source))
	for block := document.FirstChild(); block != nil; block = block.NextSibling() {
		m.block(block, source, top)
	}
}

func (m *man) block(block ast.Node, source []byte, top int) {
	switch b := block.(type) {
	case *ast.Heading:
		title := inline(b, source)
		switch b.Level - top {
		case 0:
			m.heading("SH", strings.ToUpper(title))
		case 1:
			m.heading("SS", title)
		default:
			m.paragraph(bold(title))
		}
	case *ast.Paragraph, *ast.TextBlock:
		m.paragraph(inline(b, source))
	case *ast.FencedCodeBlock:
		m.verbatim(lines(b, source))
	case *ast.List:
		n := b.Start
		for item := b.FirstChild(); item != nil; item = item.NextSibling() {
			first := item.FirstChild()
			if b.IsOrdered() {
				fmt.Fprintf(&m.out, ".IP %d. 4\n", n)
				m.fill(inline(first, source))
				n++
			} else {
				m.bullet(inline(first, source))
			}
			if first.NextSibling() != nil {
				panic("manual: an item of a list has more than one paragraph: " + inline(first, source))
			}
		}
	case *extensionast.DefinitionList:
		m.definitions(b, source)
	default:
		panic(fmt.Sprintf("manual: a %s has no counterpart", b.Kind()))
	}
}

func (m *man) definitions(list ast.Node, source []byte) {
	tag := ""
	for item := list.FirstChild(); item != nil; item = item.NextSibling() {
		switch item.(type) {
		case *extensionast.DefinitionTerm:
			tag = inline(item, source)
		case *extensionast.DefinitionDescription:
			m.item(tag, inline(item.FirstChild(), source))
		}
	}
}

func lines(block ast.Node, source []byte) string {
	var b strings.Builder
	for i := range block.Lines().Len() {
		line := block.Lines().At(i)
		b.Write(line.Value(source))
	}
	return b.String()
}

// inline writes what stands in a block as roff.
func inline(block ast.Node, source []byte) string {
	var b strings.Builder
	for n := block.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Text:
			b.WriteString(plain(string(n.Segment.Value(source))))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.CodeSpan:
			var raw strings.Builder
			for t := n.FirstChild(); t != nil; t = t.NextSibling() {
				raw.Write(t.(*ast.Text).Segment.Value(source))
			}
			b.WriteString(code(raw.String()))
		case *ast.Emphasis:
			if n.Level == 1 {
				b.WriteString(italic(inline(n, source)))
			} else {
				b.WriteString(bold(inline(n, source)))
			}
		case *ast.Link:
			b.WriteString(inline(n, source))
		case *ast.AutoLink:
			b.WriteString(plain(string(n.URL(source))))
		default:
			panic(fmt.Sprintf("manual: a %s has no counterpart", n.Kind()))
		}
	}
	return b.String()
}
