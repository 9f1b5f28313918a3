package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is a line of the table: the medians of what was measured of one program.
type row struct {
	size        uint64
	block       string
	connections int
	load        string
	program     string

	sample
	share    float64 // of the base's transactions a second: the median of the rounds'
	cpuShare float64 // of the base's processor time for as many
	checked  bool    // verdicts are not of a program that has none of its own
}

func newRow(all, base []sample) row {
	r := row{sample: median(all)}
	var shares, cpuShares []float64
	for i, s := range all {
		r.transactions += s.transactions
		r.wrong += s.wrong
		shares = append(shares, s.rate/base[i].rate)
		cpuShares = append(cpuShares, float64(s.cpu)/float64(base[i].cpu))
	}
	itself := func(f float64) float64 { return f }
	r.share, r.cpuShare = middle(shares, itself), middle(cpuShares, itself)
	return r
}

// median returns the middle one of each figure by itself.
func median(all []sample) sample {
	return sample{
		rate:     middle(all, func(s sample) float64 { return s.rate }),
		cpu:      middle(all, func(s sample) time.Duration { return s.cpu }),
		p50:      middle(all, func(s sample) time.Duration { return s.p50 }),
		p99:      middle(all, func(s sample) time.Duration { return s.p99 }),
		p999:     middle(all, func(s sample) time.Duration { return s.p999 }),
		resident: middle(all, func(s sample) int64 { return s.resident }),
	}
}

func middle[S any, N float64 | int64 | time.Duration](all []S, of func(S) N) N {
	values := make([]N, len(all))
	for i, s := range all {
		values[i] = of(s)
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

const tableHead = `| triplets | block | connections | load | program | transactions/s | ratio | CPU of 1000 | ratio | RCPT p50 | p99 | p99.9 | resident | wrong verdicts |
|---:|---|---:|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
`

func (r row) String() string {
	wrong := ""
	if r.checked {
		wrong = fmt.Sprintf("%d of %d", r.wrong, r.transactions)
	}
	return fmt.Sprintf("| %s | %s | %d | %s | %s | %.0f | **%.2f** | %s | %.2f | %s | %s | %s | %.0f MB | %s |",
		grouped(r.size), r.block, r.connections, r.load, r.program, r.rate, r.share,
		milliseconds(r.cpu), r.cpuShare, milliseconds(r.p50), milliseconds(r.p99), milliseconds(r.p999), float64(r.resident)/1e6, wrong)
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

const preamble = `# What greyglass costs

As the bench in this folder measures it: the real programs, each beside the first of its block, in turn, under
the load of a generator that speaks a mail server's end of the protocol. A transaction is a message
from its connection to its RCPT, and then an abort. Each figure is the median of the rounds; a ratio is the median of the
rounds' ratios to the first program. The no-op filter is what the protocol library makes of a filter that decides nothing.
Processor time is the server's alone. The daemon has the timer slack of its systemd unit, other programs have the system's.
`

// report is the whole of what is printed.
func report(machine string, rows []row, facts []string) string {
	var s strings.Builder
	s.WriteString(preamble + "\nLoads:\n\n")
	for _, l := range loads {
		if slices.ContainsFunc(rows, func(r row) bool { return r.load == l.name }) {
			fmt.Fprintf(&s, "- %s: %s\n", l.name, l.about)
		}
	}
	s.WriteString("\nBlocks:\n\n")
	for _, bl := range blocks {
		if slices.ContainsFunc(rows, func(r row) bool { return r.block == bl.name }) {
			fmt.Fprintf(&s, "- %s: %s\n", bl.name, bl.about)
		}
	}
	s.WriteString("\n" + machine + "\n\n" + tableHead)
	for _, r := range rows {
		s.WriteString(r.String() + "\n")
	}
	s.WriteString("\n")
	for _, f := range facts {
		s.WriteString("- " + f + "\n")
	}
	return s.String()
}
