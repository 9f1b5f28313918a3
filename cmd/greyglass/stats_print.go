package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"greyglass/cmd/greyglass/internal/report"
	"greyglass/greylist/address"
)

// pageWidth is the width of texts for people.
const pageWidth = 80

func (s *statistics) print(w io.Writer) error {
	var out bytes.Buffer
	s.printHeadline(&out)
	if !s.brief {
		if err := s.printTables(&out); err != nil {
			return err
		}
	}
	_, err := out.WriteTo(w)
	return err
}

// printHeadline prints the shortest period in words, or what was observed.
func (s *statistics) printHeadline(out io.Writer) {
	last := len(s.periods) - 1
	headline := s.periods[last].Headline(s.asked[last].in)
	if s.observed != nil {
		headline = s.observed.Headline(s.zone)
	}
	switch first := s.periods[0].Since; {
	case s.begins == 0:
		headline = fmt.Sprintf("No history since %s: the daemon writes down once a minute what it answered.", s.time(first))
	case s.begins > first:
		headline += fmt.Sprintf(" The history begins at %s.", s.time(s.begins))
	}
	for _, line := range wrapped(headline, pageWidth) {
		fmt.Fprintln(out, line)
	}
}

func (s *statistics) printTables(out *bytes.Buffer) error {
	if s.observed != nil {
		s.observed.Print(out, s.zone)
	}
	for i, p := range s.periods {
		p.Print(out, s.asked[i].title, s.zone)
	}
	report.PrintBars(out, s.bars, s.zone)
	var err error
	if s.by != "" {
		err = s.groups.Print(out)
	} else {
		err = s.senders.Print(out)
	}
	if err == nil {
		err = s.printUsed(out)
	}
	if err == nil {
		err = s.printStored(out)
	}
	return err
}

// printStored prints what the database holds.
func (s *statistics) printStored(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name string, n int64, estimated bool, note string) {
		about := ""
		if estimated {
			about = "about "
		}
		fmt.Fprintf(t, "%s\t%s%s\t%s\n", name, about, humanize.Comma(n), note)
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
	line("clients", s.Clients, false, "(of which triplets have passed; proven: "+humanize.Comma(s.proven)+")")
	line("correspondents", s.Correspondents, false, "(to whom users have written)")
	fmt.Fprintf(t, "database\t%s\n", humanize.IBytes(uint64(s.Bytes)))
	return t.Flush()
}

// printUsed prints which entries of the list of known senders were ever used.
func (s *statistics) printUsed(out io.Writer) error {
	if len(s.used) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nEntries of the list of known senders that were ever used: %s\n", humanize.Comma(int64(len(s.used))))
	fmt.Fprintln(t, "  ENTRY\tLAST USED")
	for _, u := range s.used {
		fmt.Fprintf(t, "  %s\t%s\n", address.Printable(u.Entry), s.time(u.At))
	}
	return t.Flush()
}

// time is a time in the zone, which it names.
func (s *statistics) time(unix int64) string {
	return time.Unix(unix, 0).In(s.zone).Format("2006-01-02 15:04:05 MST")
}

// wrapped breaks a text at spaces into lines that are no longer than a width, where it can.
func wrapped(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
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
	Clients        int64  `json:"clients"` // of which triplets have passed
	Proven         int64  `json:"proven"`  // of them
	Correspondents int64  `json:"correspondents"`
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
	return printObject(w, statsJSON{s.Waiting, s.Passed, s.Deferred, s.Accepted, s.estimated, orNull(s.OldestWaiting), orNull(s.LatestPassed), s.Clients, s.proven,
		s.Correspondents, orNull(s.Bytes), orNull(s.begins), s.periods, s.bars, s.senders, s.groups, known, s.observed})
}

// orNull is a number whose zero stands for none.
func orNull(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}
