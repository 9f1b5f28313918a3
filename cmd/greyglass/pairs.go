package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"greyglass/cmd/greyglass/internal/show"
)

// pairs are names with texts, which are printed in two columns.
type pairs [][2]string

func (p *pairs) add(name, format string, a ...any) {
	*p = append(*p, [2]string{name, fmt.Sprintf(format, a...)})
}

// print prints the pairs in the columns of a terminal; zero: any. The names take at most half of
// them: below a longer one stands its text.
func (p pairs) print(w io.Writer, columns int) {
	indent := 0
	for _, pair := range p {
		indent = max(indent, utf8.RuneCountInString(pair[0])+2)
	}
	if columns > 0 {
		indent = min(indent, columns/2)
	}
	space := strings.Repeat(" ", indent)
	for _, pair := range p {
		name := fmt.Sprintf("%-*s", indent, pair[0])
		if utf8.RuneCountInString(pair[0])+2 > indent {
			name = pair[0] + "\n" + space
		}
		text := show.Fold(pair[1], max(columns-indent, 0), "")
		fmt.Fprintln(w, name+strings.ReplaceAll(text, "\n", "\n"+space))
	}
}
