package report

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"greyglass/cmd/greyglass/internal/show"
)

// Page is where a report is written for people.
type Page struct {
	io.Writer
	Zone  *time.Location
	Width int // columns
}

// minutes is the format of a time, with its zone.
const minutes = "2006-01-02 15:04 MST"

func inZone(unix int64, layout string, zone *time.Location) string {
	return time.Unix(unix, 0).In(zone).Format(layout)
}

// Text writes a text, in lines that fit the page.
func (p Page) Text(text string) { p.Wrap("", "", text) }

// Wrap writes a text in lines that fit the page: the first begins with a name, the others with
// an indent. A word that is longer than the page is cut.
func (p Page) Wrap(name, indent, text string) {
	words := strings.Fields(text)
	for i, word := range words {
		words[i] = show.Address(word, p.Width-len(indent))
	}
	fmt.Fprintln(p, strings.TrimRight(show.Fold(name+strings.Join(words, " "), p.Width, indent), " "))
}

// Table writes rows, of which the first has the titles. The first column, a name, is cut if
// it is too long for the page; the others are aligned at their end, as numbers are.
func (p Page) Table(rows [][]string) {
	const indent, between = 2, 2
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	others := indent
	for _, w := range widths[1:] {
		others += between + w
	}
	widths[0] = min(widths[0], max(p.Width-others, shortestName))
	for _, row := range rows {
		line := fmt.Sprintf("%*s%-*s", indent, "", widths[0], show.Address(row[0], widths[0]))
		for i, text := range row[1:] {
			line += fmt.Sprintf("%*s%*s", between, "", widths[i+1], text)
		}
		fmt.Fprintln(p, strings.TrimRight(line, " "))
	}
}

// shortestName is how much of a name is shown at least.
const shortestName = 12

// bar is the width of the longest bar of a chart, beside so many columns of text.
func (p Page) bar(beside int) int { return max(min(p.Width-beside, 40), 10) }
