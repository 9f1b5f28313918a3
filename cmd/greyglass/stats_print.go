package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"greyglass/cmd/greyglass/internal/report"
	"greyglass/greylist"
	"greyglass/greylist/address"
)

// pageWidth is the width of texts for people.
const pageWidth = 80

func (s *statistics) print(w io.Writer) error {
	var out bytes.Buffer
	s.page.Writer = &out
	s.printHeadline()
	if !s.brief {
		s.printTables()
	}
	_, err := out.WriteTo(w)
	return err
}

// printHeadline prints the shortest period in words, or what was observed.
func (s *statistics) printHeadline() {
	last := len(s.periods) - 1
	headline := s.periods[last].Headline(s.asked[last].in)
	first := s.asked[0]
	if s.observed != nil {
		of := ""
		if first.Until < math.MaxInt64 {
			of = first.in
		}
		headline = s.observed.Headline(of, s.page.Zone)
	}
	switch {
	case s.begins == 0 && first.Until < math.MaxInt64:
		headline = first.in + " nothing was judged, or the history does not go back so far."
	case s.begins == 0:
		headline = fmt.Sprintf("No history since %s: the daemon writes down once a minute what it answered.", s.time(first.Since))
	case s.begins > first.Since+greylist.Hour:
		headline += fmt.Sprintf(" The history begins at %s.", s.time(s.begins))
	}
	s.page.Text(headline)
}

func (s *statistics) printTables() {
	if s.observed != nil {
		s.observed.Print(s.page)
	}
	for i, p := range s.periods {
		p.Print(s.page, s.asked[i].title)
	}
	report.PrintBars(s.page, s.bars)
	if s.by != "" {
		s.groups.Print(s.page)
	} else {
		s.senders.Print(s.page)
	}
	s.printUsed()
	s.printStored()
}

// printStored prints what the database holds.
func (s *statistics) printStored() {
	t := tabwriter.NewWriter(s.page, 0, 0, 2, ' ', 0)
	line := func(name string, n int64, estimated bool, note string) {
		about := ""
		if estimated {
			about = "about "
		}
		fmt.Fprintf(t, "%-14s\t%s%s\t%s\n", name, about, humanize.Comma(n), note)
	}
	note := func(format string, unix int64) string {
		if unix == 0 {
			return ""
		}
		return fmt.Sprintf(format, s.time(unix))
	}
	fmt.Fprintln(t)
	line("waiting", s.Waiting, s.estimated, note("(oldest since: %s)", s.OldestWaiting))
	line("passed", s.Passed, s.estimated, note("(latest at: %s)", s.LatestPassed))
	line("deferred", s.Deferred, s.estimated, "(answers to these triplets)")
	line("accepted", s.Accepted, s.estimated, "(answers to these triplets)")
	if s.clients != nil {
		proven := ""
		if s.proven != nil {
			proven = "; proven: " + humanize.Comma(*s.proven)
		}
		line("clients", *s.clients, false, "(of which triplets have passed"+proven+")")
	}
	if s.correspondents != nil {
		line("correspondents", *s.correspondents, false, "(to whom users have written)")
	}
	fmt.Fprintf(t, "%-14s\t%s\n", "database", humanize.IBytes(uint64(s.Bytes)))
	_ = t.Flush() // into memory
}

// printUsed prints which entries of the list of known senders were ever used.
func (s *statistics) printUsed() {
	if len(s.used) == 0 {
		return
	}
	s.page.Text("")
	s.page.Text("Entries of the list of known senders that were ever used: " + humanize.Comma(int64(len(s.used))))
	rows := [][]string{{"ENTRY", "LAST USED"}}
	for _, u := range s.used {
		rows = append(rows, []string{address.Printable(u.Entry), s.time(u.At)})
	}
	s.page.Table(rows)
}

// time is a time in the zone, which it names.
func (s *statistics) time(unix int64) string {
	return timeInWords(unix, s.page.Zone)
}

// statsJSON is what 'stats --json' prints.
type statsJSON struct {
	Waiting        int64  `json:"waiting"`
	Passed         int64  `json:"passed"`
	Deferred       int64  `json:"deferred"`
	Accepted       int64  `json:"accepted"`
	Estimated      bool   `json:"estimated"`      // the four above, from a sample; the next two are then null
	OldestWaiting  *int64 `json:"oldest_waiting"` // Unix seconds, null if there is none
	LatestPassed   *int64 `json:"latest_passed"`
	Clients        *int64 `json:"clients"` // of which triplets have passed; null where learning is off, as the next two
	Proven         *int64 `json:"proven"`  // of them
	Correspondents *int64 `json:"correspondents"`
	Bytes          *int64 `json:"bytes"`

	HistoryBegins *int64          `json:"history_begins"` // Unix seconds, null if there is none
	Periods       []report.Period `json:"periods"`
	Bars          []report.Bar    `json:"bars"`
	Senders       *report.Senders `json:"senders"`       // null with --by
	By            *report.Groups  `json:"by"`            // null unless --by
	KnownSenders  []usedJSON      `json:"known_senders"` // the entries of the list that were ever used

	Observed *report.Observation `json:"observed"` // null unless greylist.mode is observe
}

// usedJSON is an entry of the list of known senders as 'stats --json' prints it.
type usedJSON struct {
	Entry  string `json:"entry"`
	UsedAt int64  `json:"used_at"`
}

func (s *statistics) printJSON(w io.Writer) error {
	known := make([]usedJSON, 0, len(s.used))
	for _, u := range s.used {
		known = append(known, usedJSON{u.Entry, u.At})
	}
	return printObject(w, statsJSON{s.Waiting, s.Passed, s.Deferred, s.Accepted, s.estimated, orNull(s.OldestWaiting), orNull(s.LatestPassed), s.clients, s.proven,
		s.correspondents, orNull(s.Bytes), orNull(s.begins), s.periods, s.bars, s.senders, s.groups, known, s.observed})
}
