package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// row is a pair that was measured, and one line of the table.
type row struct {
	size        uint64
	block       string
	connections int
	load        string

	noop, ours sample  // medians
	ratio      float64 // the median of the rounds' ratios of transactions a second
	checked    int     // verdicts
	wrong      int
}

func (r *row) finish(noops, ours []sample) {
	r.noop, r.ours = median(noops), median(ours)
	var ratios []float64
	for i := range ours {
		ratios = append(ratios, ours[i].rate/noops[i].rate)
		r.checked += ours[i].transactions
		r.wrong += ours[i].wrong
	}
	r.ratio = middle(ratios, func(f float64) float64 { return f })
}

const tableHead = `| triplets | block | conns | load | no-op tx/s | greyglass tx/s | ratio | no-op CPU | greyglass CPU | ratio | RCPT p50 | p99 | p99.9 | resident | wrong |
|---:|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
`

func (r *row) line() string {
	return fmt.Sprintf("| %s | %s | %d | %s | %.0f | %.0f | **%.2f** | %s | %s | %.2f | %s | %s | %s | %.0f MB | %d of %d |",
		grouped(r.size), r.block, r.connections, r.load, r.noop.rate, r.ours.rate, r.ratio,
		milliseconds(r.noop.cpu), milliseconds(r.ours.cpu), float64(r.ours.cpu)/float64(r.noop.cpu),
		milliseconds(r.ours.p50), milliseconds(r.ours.p99), milliseconds(r.ours.p999),
		float64(r.ours.resident)/1e6, r.wrong, r.checked)
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 2, 64) + " ms"
}

// grouped writes 1000000 as "1 000 000".
func grouped(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}

// report is the whole of what is printed.
func (b *bench) report(took time.Duration) string {
	var s strings.Builder
	s.WriteString(tableHead)
	for i := range b.rows {
		s.WriteString(b.rows[i].line() + "\n")
	}
	s.WriteString("\n")
	for _, f := range b.facts {
		s.WriteString("- " + f + "\n")
	}
	fmt.Fprintf(&s, "- Measured in %s.\n", took.Round(time.Second))
	return s.String()
}
