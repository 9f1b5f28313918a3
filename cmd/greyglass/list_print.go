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

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"greyglass/cmd/greyglass/internal/show"
	"greyglass/greylist"
	"greyglass/greylist/address"
)

// aligned is how many rows are aligned together.
const aligned = 200

// listColumns are the columns of the whole table.
const listColumns = "STATE\tCLIENT\tSENDER\tRECIPIENT\tFIRST SEEN\tLAST SEEN\tPASSED AT\tDEFERRED\tACCEPTED\tRETRY OK\tFIRST ATTEMPT\n"

// row is a record in the whole table.
func (l *lister) row(r greylist.Record) string {
	at := func(unix int64) string { return listTime(unix, l.zone) }
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", l.state(r), address.Printable(r.Client), address.Printable(r.Sender),
		address.Printable(r.Recipient), at(r.FirstSeen), at(r.LastSeen), at(r.PassedAt), r.Deferred, r.Accepted, at(l.retryAt(r)), at(r.Attempted()))
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
	return printRows(l.out, l.title(strings.TrimSuffix(listColumns, "\n")), records, func(t *tabwriter.Writer, r greylist.Record) { fmt.Fprint(t, l.row(r)) })
}

// title is a title, unless none is wanted.
func (l *lister) title(columns string) string {
	if l.noHeader {
		return ""
	}
	return columns
}

func yesOrNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
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

// printNarrow prints the columns that matter in a width, of the last records, as many as limit
// says; zero: of all. It reports how many, and whether there were more.
func (l *lister) printNarrow(records iter.Seq2[greylist.Record, error], width, limit int) (n listed, err error) {
	t := narrowTable{out: l.out, width: width}
	if !l.noHeader {
		t.rows = append(t.rows, []string{"STATE", "SEEN", "RETRY OK", "TRIES", "CLIENT", "SENDER", "RECIPIENT"})
	}
	var all []greylist.Record // up to one more than limit
	for r, err := range records {
		switch {
		case err != nil:
			return n, err
		case limit > 0:
			all = append(all, r)
		default:
			t.add(l.fields(r))
		}
	}
	if n.more = limit > 0 && len(all) > limit; n.more {
		all = all[1:]
	}
	for _, r := range all {
		t.add(l.fields(r))
	}
	n.records = int64(len(all))
	t.flush()
	return n, nil
}

// listed is how many records were listed, and whether there are more.
type listed struct {
	records int64
	more    bool
}

// fields are those of the narrow table.
func (l *lister) fields(r greylist.Record) []string {
	retry := "-"
	switch at := l.retryAt(r); {
	case at > l.now:
		retry = "in " + show.Age(at-l.now)
	case at > 0:
		retry = "now"
	}
	return []string{l.state(r), show.Age(l.now - r.LastSeen), retry, strconv.FormatInt(r.Deferred+r.Accepted, 10),
		address.Printable(r.Client), address.Printable(r.Sender), address.Printable(r.Recipient)}
}

// printFooter says that there are more; matching is how many the filter selects, zero if they
// were not counted.
func (l *lister) printFooter(ctx context.Context, store greylist.Store, f greylist.Filter, shown listed, matching int64) error {
	if err := l.out.Flush(); err != nil { // counting may take a while
		return err
	}
	if counted, ok := store.(greylist.Bounded); ok && shown.more && f.Unfiltered() {
		var err error
		if matching, err = counted.Count(ctx); err != nil {
			return err
		}
	}
	of := ", and there are more"
	switch {
	case matching > shown.records:
		of = " of " + humanize.Comma(matching)
	case !shown.more:
		return nil
	}
	_, err := fmt.Fprintf(l.out, "%s%s; --all shows all, --wide all columns\n", humanize.Comma(shown.records), of)
	return err
}

// terminalWidth is the number of columns of a terminal; zero if the output is none.
func terminalWidth(out io.Writer) int {
	if o, ok := out.(*output); ok {
		out = o.Writer
	}
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
	told  time.Time
	total string // of all triplets; empty before it has told
}

// toldEvery is how often it tells.
const toldEvery = 200 * time.Millisecond

func (p *listProgress) tell(ctx context.Context, records int64) {
	now := wallClock()
	if now.Sub(p.began) < time.Second || now.Sub(p.told) < toldEvery {
		return
	}
	p.told = now
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
	RetryAt      *int64 `json:"retry_at"` // when a retry passes, by the greylist's windows
	Late         bool   `json:"late"`     // the next attempt waits again
}

func (l *lister) recordAsJSON(r greylist.Record) recordJSON {
	return recordJSON{r.State(), r.Client, r.Sender, r.Recipient, r.FirstSeen, r.LastSeen, orNull(r.PassedAt), r.Deferred, r.Accepted, orNull(r.FirstAttempt),
		orNull(l.retryAt(r)), l.state(r) == "late"}
}

func (l *lister) printJSON(records iter.Seq2[greylist.Record, error]) error {
	return printArray(l.out, records, func(r greylist.Record) any { return l.recordAsJSON(r) })
}
