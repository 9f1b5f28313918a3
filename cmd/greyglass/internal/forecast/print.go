package forecast

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"greyglass/cmd/greyglass/internal/show"
)

// Print writes the forecast for people, on a page of 80 columns.
func (r *Result) Print(w io.Writer) {
	if r.Since == 0 {
		fmt.Fprintln(w, "No mail from outside was found.")
		r.printRead(w)
		return
	}
	fmt.Fprintf(w, "Forecast by the mail from outside of %s to %s UTC,\nas if greylisting had begun then. Each recipient of a message counts.\n",
		inUTC(r.Since, "2006-01-02 15:04"), inUTC(r.Until, "2006-01-02 15:04"))
	r.printOutcomes(w)
	r.printDays(w)
	r.printSites(w)
	r.printUnknown(w)
}

// column is the width of the column of a configuration.
const column = 18

func (r *Result) printOutcomes(w io.Writer) {
	row := func(name string, cell func(o Outcome) string) {
		fmt.Fprintf(w, "  %-20s", name)
		for _, o := range r.Configurations {
			fmt.Fprintf(w, "%*s", column, cell(o))
		}
		fmt.Fprintln(w)
	}
	shares := func(name string, of func(o Outcome) (n, all int64)) {
		row(name, func(o Outcome) string {
			n, all := of(o)
			return humanize.Comma(n) + " " + share(n, all)
		})
	}
	first := r.Configurations[0]
	fmt.Fprintf(w, "\n%s delivered\n", messages(first.Delivered.Messages))
	row("", func(o Outcome) string { return o.Name })
	shares("accepted at once", func(o Outcome) (int64, int64) { return o.Delivered.Accepted, o.Delivered.Messages })
	shares("deferred", func(o Outcome) (int64, int64) { return o.Delivered.Deferred, o.Delivered.Messages })
	shares("  then accepted", func(o Outcome) (int64, int64) { return o.Passed, o.Delivered.Messages })
	wait := func(o Outcome, seconds int64) string {
		if o.Passed == 0 {
			return "-"
		}
		return show.Duration(seconds)
	}
	row("  half of it after", func(o Outcome) string { return wait(o, o.Median) })
	row("  90 % of it after", func(o Outcome) string { return wait(o, o.P90) })
	shares("  never accepted", func(o Outcome) (int64, int64) { return o.Never, o.Delivered.Messages })
	if first.Delivered.Refused > 0 {
		shares("refused by rules", func(o Outcome) (int64, int64) { return o.Delivered.Refused, o.Delivered.Messages })
	}
	if first.Rejected.Messages > 0 {
		fmt.Fprintf(w, "\n%s rejected, or spam\n", messages(first.Rejected.Messages))
		shares("deferred", func(o Outcome) (int64, int64) { return o.Rejected.Deferred, o.Rejected.Messages })
		shares("refused by rules", func(o Outcome) (int64, int64) { return o.Rejected.Refused, o.Rejected.Messages })
	}
}

func messages(n int64) string {
	if n == 1 {
		return "1 message was"
	}
	return humanize.Comma(n) + " messages were"
}

// share is a part in percent, as wide as 100.0 %.
func share(n, all int64) string {
	if all == 0 {
		return "      -"
	}
	return fmt.Sprintf("%5.1f %%", 100*float64(n)/float64(all))
}

// longest is the length of the longest bar.
const longest = 16

func (r *Result) printDays(w io.Writer) {
	fmt.Fprintf(w, "\nDeferred of what was delivered, by day of UTC ('#': %s)\n  %-10s %11s", r.Configurations[0].Name, "", "messages")
	for i, o := range r.Configurations {
		fmt.Fprintf(w, " %8s", o.Name)
		if i == 0 {
			fmt.Fprintf(w, "  %-*s", longest, "")
		}
	}
	fmt.Fprintf(w, " %8s\n", "+ learn")
	most := 0.0
	part := func(n int64, d Day) float64 { return float64(n) / float64(max(d.Messages, 1)) }
	for _, d := range r.Days {
		most = max(most, part(d.Deferred[r.Configurations[0].Name], d))
	}
	for _, d := range r.Days {
		fmt.Fprintf(w, "  %s %11s", inUTC(d.Since, time.DateOnly), humanize.Comma(d.Messages))
		for i, o := range r.Configurations {
			n := d.Deferred[o.Name]
			fmt.Fprintf(w, " %8s", share(n, d.Messages))
			if i == 0 {
				fmt.Fprintf(w, "  %-*s", longest, bar(part(n, d), most))
			}
		}
		fmt.Fprintf(w, " %8s\n", share(d.Learned, d.Messages))
	}
	fmt.Fprintf(w, "  '+ learn' is %s if 'greyglass learn' had read the log of the days before.\n", r.Configurations[0].Name)
	if l := r.Learn; l != nil {
		fmt.Fprintf(w, "  If it reads this log first, expect %.1f %% in the first days, not %.1f %%.\n", 100*l.Learned, 100*l.Empty)
	}
}

// bar is a bar of a length in proportion to the longest, at least one unless it is zero.
func bar(n, most float64) string {
	if n == 0 {
		return ""
	}
	return strings.Repeat("#", max(int(n/most*longest), 1))
}

// siteWidth is the width of the names of sites.
const siteWidth = 34

func (r *Result) printSites(w io.Writer) {
	if len(r.Sites) == 0 {
		return
	}
	fmt.Fprintf(w, "\nSites of which most would have been deferred (%s)\n", r.Configurations[0].Name)
	fmt.Fprintf(w, "  %-*s %9s %11s %11s\n", siteWidth, "", "addresses", "messages", "deferred")
	for _, s := range r.Sites {
		name := s.Name[max(len(s.Name)-siteWidth, 0):] // its end says whose it is
		row := fmt.Sprintf("  %-*s %9d %11s %11s", siteWidth, name, s.Addresses, humanize.Comma(s.Messages), humanize.Comma(s.Deferred))
		if s.Pool {
			row += "  a pool"
		}
		fmt.Fprintln(w, row)
	}
}

func inUTC(unix int64, layout string) string { return time.Unix(unix, 0).UTC().Format(layout) }

// unknown is what the log does not tell, with what is assumed in its place.
const unknown = `
What the log does not tell
  Whether a sender would have tried again. Assumed: a mail server tries again
  after 10, 20, 40 and 80 minutes, then each 70 minutes for five days; one of a
  pool does so for a day, each time from any address of the pool. A client
  without a confirmed name, or with that of a home connection, does so if it has
  sent mail on an earlier day, and else never. Spam, and what was rejected, is
  never tried again.
  Which mail the mail server rejects before it asks Greyglass: all was judged.
`

// estimated is what is assumed in the place of DNS.
const estimated = `  What DNS says, which was not asked. Assumed: SPF passes where the client's
  confirmed name and the sender's address are of one domain, and others have no
  record; no DNS list has the client. 'gentle' depends on it: see --dns.
`

func (r *Result) printUnknown(w io.Writer) {
	fmt.Fprint(w, unknown)
	if !r.DNS {
		fmt.Fprint(w, estimated)
	}
	r.printRead(w)
}

// printRead says what was read, and what of it was not judged.
func (r *Result) printRead(w io.Writer) {
	fmt.Fprintf(w, "\nRead: %s lines.\n", humanize.Comma(r.Lines))
	if r.Skipped > 0 {
		fmt.Fprintf(w, "Skipped: %s of them, since they are too long, ambiguous or in the future, or name\nno recipient.\n", humanize.Comma(r.Skipped))
	}
	fmt.Fprintf(w, "Not judged: %s messages that are not known to be from outside, and %s\nattempts that the mail server itself deferred.\n", humanize.Comma(r.Inside), humanize.Comma(r.DeferredAlready))
	for _, file := range r.Damaged {
		fmt.Fprintf(w, "Not read to the end: %s\n", file)
	}
}
