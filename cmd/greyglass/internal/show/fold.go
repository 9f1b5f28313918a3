package show

import (
	"strings"
	"unicode/utf8"
)

// Fold breaks a line between its words, so that it fits a number of columns; zero: any. The
// lines after the first are indented. A word that is longer than a line stays whole.
func Fold(line string, columns int, indent string) string {
	if columns == 0 || utf8.RuneCountInString(line) <= columns {
		return line
	}
	var b strings.Builder
	column := 0
	for i, word := range strings.Split(line, " ") {
		length := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case word != "" && column+1+length > columns:
			b.WriteString("\n" + indent)
			column = utf8.RuneCountInString(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += length
	}
	return b.String()
}
