package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// aligned is how many rows are aligned together.
const aligned = 200

// listColumns are the columns of the whole table.
const listColumns = "STATE\tCLIENT\tSENDER\tRECIPIENT\tFIRST SEEN\tLAST SEEN\tPASSED AT\tDEFERRED\tACCEPTED\tRETRY OK\tFIRST ATTEMPT\n"

// row is a record in the whole table.
func (l *lister) row(r greylist.Record) string {
	retry := "-"
	if at := l.retryAt(r); at > 0 {
		retry = utc(at)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", l.state(r), address.Printable(r.Client), address.Printable(r.Sender),
		address.Printable(r.Recipient), utc(r.FirstSeen), utc(r.LastSeen), utc(r.PassedAt), r.Deferred, r.Accepted, retry, utc(r.Attempted()))
}

// state is waiting, late or passed.
func (l *lister) state(r greylist.Record) string {
	if !r.Passed() && l.policy.Windows.Decide(&r.Entry, l.now).Reason == greylist.ReasonTooLate {
		return "late"
	}
	return r.State()
}

// retryAt is when a retry passes by the greylist's windows; zero for one that has passed, or
// whose wait would begin again.
func (l *lister) retryAt(r greylist.Record) int64 {
	if l.state(r) != "waiting" {
		return 0
	}
	return min(r.FirstSeen, l.now) + l.policy.Windows.PassesAfter()
}

// printTabs prints the whole table for other programs.
func (l *lister) printTabs(records iter.Seq2[greylist.Record, error]) error {
	if !l.noHeader {
		fmt.Fprint(l.out, listColumns)
	}
	for r, err := range records {
		if err == nil {
			_, err = l.out.WriteString(l.row(r))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// printWide prints the whole table for people.
func (l *lister) printWide(records iter.Seq2[greylist.Record, error]) error {
	title := strings.TrimSuffix(listColumns, "\n")
	if l.noHeader {
		title = ""
	}
	return printRows(l.out, title, records, func(t *tabwriter.Writer, r greylist.Record) { fmt.Fprint(t, l.row(r)) })
}

// printRows prints rows as they come, under a title if there is one, and aligns some hundred
// at a time, so that millions of them take no memory.
func printRows[R any](w io.Writer, title string, rows iter.Seq2[R, error], print func(*tabwriter.Writer, R)) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if title != "" {
		fmt.Fprintln(t, title)
	}
	n := 0
	for r, err := range rows {
		if err != nil {
			return errors.Join(t.Flush(), err)
		}
		print(t, r)
		if n++; n%aligned == 0 {
			if err := t.Flush(); err != nil {
				return err
			}
		}
	}
	return t.Flush()
}

// printNarrow prints the columns that matter in a width, and returns the number of records.
func (l *lister) printNarrow(records iter.Seq2[greylist.Record, error], width int) (n int, err error) {
	var rows [][]string
	if !l.noHeader {
		rows = append(rows, []string{"STATE", "SEEN", "RETRY OK", "TRIES", "CLIENT", "SENDER", "RECIPIENT"})
	}
	for r, err := range records {
		if err != nil {
			return n, err
		}
		n++
		if rows = append(rows, l.fields(r)); len(rows) == aligned {
			l.printFitted(width, rows)
			rows = rows[:0]
		}
	}
	l.printFitted(width, rows)
	return n, nil
}

// fields are those of the narrow table.
func (l *lister) fields(r greylist.Record) []string {
	retry := "-"
	switch at := l.retryAt(r); {
	case at > l.now:
		retry = "in " + age(at-l.now)
	case at > 0:
		retry = "now"
	}
	return []string{l.state(r), age(l.now - r.LastSeen), retry, strconv.FormatInt(r.Deferred+r.Accepted, 10),
		address.Printable(r.Client), address.Printable(r.Sender), address.Printable(r.Recipient)}
}

// narrowest are the least widths of the columns of the narrow table.
var narrowest = [...]int{7, 5, 8, 5, 6, 6, 9}

// printFitted prints rows of the narrow table. If they are wider than the terminal, the
// widest columns are cut.
func (l *lister) printFitted(width int, rows [][]string) {
	widths := narrowest
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	const between = 2
	sum := between * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	for ; sum > width; sum-- {
		widest := 0
		for i, w := range widths {
			if w > widths[widest] {
				widest = i
			}
		}
		widths[widest]--
	}
	for _, row := range rows {
		var line strings.Builder
		for i, text := range row {
			text = cut(text, widths[i])
			line.WriteString(text + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+between))
		}
		fmt.Fprintln(l.out, strings.TrimRight(line.String(), " "))
	}
}

// cut cuts the middle out of a text that is too wide.
func cut(s string, width int) string {
	all := []rune(s)
	if len(all) <= width {
		return s
	}
	begin := (width - 2) / 2
	return string(all[:begin]) + ".." + string(all[len(all)-(width-2-begin):])
}

// age is a time in its greatest unit: 45s, 3m, 12h, 34d.
func age(seconds int64) string {
	switch {
	case seconds < 60:
		return strconv.FormatInt(max(seconds, 0), 10) + "s"
	case seconds < greylist.Hour:
		return strconv.FormatInt(seconds/60, 10) + "m"
	case seconds < 48*greylist.Hour:
		return strconv.FormatInt(seconds/greylist.Hour, 10) + "h"
	}
	return strconv.FormatInt(seconds/(24*greylist.Hour), 10) + "d"
}

// printFooter says that there are more.
func (l *lister) printFooter(ctx context.Context, store greylist.Store, f greylist.Filter, n int) error {
	if err := l.out.Flush(); err != nil { // counting may take a while
		return err
	}
	of := ""
	if counted, ok := store.(greylist.Bounded); ok && f.Unfiltered() {
		total, err := counted.Count(ctx)
		if err != nil {
			return err
		}
		if total <= int64(n) {
			return nil
		}
		of = " of " + humanize.Comma(total)
	}
	_, err := fmt.Fprintf(l.out, "%d%s; --all shows all, --wide all columns\n", n, of)
	return err
}

// terminalWidth is the number of columns of a terminal; zero if the output is none.
func terminalWidth(out io.Writer) int {
	f, ok := out.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	switch {
	case err != nil:
		return 0
	case size.Col == 0:
		return 80
	}
	return max(int(size.Col), 60)
}

// listProgress tells on a terminal how far a list has come that takes long.
type listProgress struct {
	store greylist.Store
	out   io.Writer
	began time.Time
	total string // of all triplets; empty before it has told
}

func (p *listProgress) tell(ctx context.Context, records int64) {
	if wallClock().Sub(p.began) < time.Second {
		return
	}
	if p.total == "" {
		p.total = "all"
		if counted, ok := p.store.(greylist.Bounded); ok {
			if n, err := counted.Count(ctx); err == nil {
				p.total = humanize.Comma(n)
			}
		}
	}
	fmt.Fprintf(p.out, "\r%s of %s triplets searched", humanize.Comma(records), p.total)
}

func (p *listProgress) end() {
	if p.total != "" {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// recordJSON is a triplet as all commands print it.
type recordJSON struct {
	State     string `json:"state"`
	Client    string `json:"client"`
	Sender    string `json:"sender"`
	Recipient string `json:"recipient"`
	FirstSeen int64  `json:"first_seen"`
	LastSeen  int64  `json:"last_seen"`
	PassedAt  *int64 `json:"passed_at"`
	Deferred  int64  `json:"deferred"`
	Accepted  int64  `json:"accepted"`

	FirstAttempt *int64 `json:"first_attempt"`
}

func recordAsJSON(r greylist.Record) recordJSON {
	return recordJSON{r.State(), r.Client, r.Sender, r.Recipient, r.FirstSeen, r.LastSeen, orNull(r.PassedAt), r.Deferred, r.Accepted, orNull(r.FirstAttempt)}
}

func printJSON(w io.Writer, records iter.Seq2[greylist.Record, error]) error {
	return printArray(w, records, func(r greylist.Record) any { return recordAsJSON(r) })
}
