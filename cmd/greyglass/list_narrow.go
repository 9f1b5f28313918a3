package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"greyglass/cmd/greyglass/internal/show"
)

// narrowTable is the table of triplets on a terminal. If it is wider than that, it has no
// column of tries, and addresses are cut.
type narrowTable struct {
	out   io.Writer
	width int
	rows  [][]string // that are not written yet

	between int // columns; zero: nothing is written yet
	columns []int
}

// The columns of the narrow table that may be too wide.
const (
	triesColumn     = 3
	clientColumn    = 4
	senderColumn    = 5
	recipientColumn = 6
)

// narrowest are the least widths of the columns.
var narrowest = [...]int{7, 5, 8, 5, 6, 6, 9}

// cut is a column that is cut to a width, at the least.
type cut struct{ column, least int }

// cuts are made one after the other, as far as the table is too wide: the addresses, as long
// as their domains can be read; clients, of which IPv4 addresses stay whole; and then the
// addresses again.
var cuts = [][]cut{
	{{senderColumn, 24}, {recipientColumn, 20}},
	{{clientColumn, len("255.255.255.255")}},
	{{senderColumn, 9}, {recipientColumn, 9}},
}

func (t *narrowTable) add(row []string) {
	if t.rows = append(t.rows, row); len(t.rows) == aligned {
		t.flush()
	}
}

// flush writes the rows, aligned with each other.
func (t *narrowTable) flush() {
	widths := narrowest
	for _, row := range t.rows {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	if t.between == 0 {
		t.between, t.columns = 2, []int{0, 1, 2, triesColumn, clientColumn, senderColumn, recipientColumn}
		if t.sum(widths) > t.width {
			t.between, t.columns = 1, []int{0, 1, 2, clientColumn, senderColumn, recipientColumn}
		}
	}
	sum := t.sum(widths)
	for _, some := range cuts {
		over := func(c cut) int { return widths[c.column] - c.least }
		for sum > t.width {
			widest := slices.MaxFunc(some, func(a, b cut) int { return cmp.Compare(over(a), over(b)) })
			if over(widest) <= 0 {
				break
			}
			widths[widest.column]--
			sum--
		}
	}
	for _, row := range t.rows {
		var line strings.Builder
		for _, i := range t.columns {
			text := show.Address(row[i], widths[i])
			line.WriteString(text + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+t.between))
		}
		fmt.Fprintln(t.out, strings.TrimRight(line.String(), " "))
	}
	t.rows = t.rows[:0]
}

// sum is the width of the table whose columns have these widths.
func (t *narrowTable) sum(widths [7]int) int {
	sum := t.between * (len(t.columns) - 1)
	for _, i := range t.columns {
		sum += widths[i]
	}
	return sum
}
