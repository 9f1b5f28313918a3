package report

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"greyglass/cmd/greyglass/internal/show"
	"greyglass/greylist/address"
)

// Headline sums the period up, of which title begins a sentence: "In the last 24 hours".
func (p Period) Headline(title string) string {
	if p.Judged == 0 {
		return title + " nothing was judged."
	}
	var b strings.Builder
	were := "were"
	if p.Judged == 1 {
		were = "was"
	}
	fmt.Fprintf(&b, "%s %s %s judged: %s accepted", title, show.Count(p.Judged, "recipient"), were, humanize.Comma(p.Accepted))
	if p.Waited > 0 {
		fmt.Fprintf(&b, " (%s of them had waited)", show.Percent(p.Waited, p.Accepted))
	}
	fmt.Fprintf(&b, ", %s deferred", humanize.Comma(p.Deferred))
	if p.Denied > 0 {
		fmt.Fprintf(&b, ", %s denied", humanize.Comma(p.Denied))
	}
	b.WriteString(".")
	if p.New > 0 {
		fmt.Fprintf(&b, " Of %s %s came back", show.Count(p.New, "new triplet"), humanize.Comma(p.CameBack))
		if p.CameBack > 0 {
			fmt.Fprintf(&b, " (%s), half of them within %s", show.Percent(p.CameBack, p.New), show.Duration(*p.Median))
		}
		if p.MayReturn > 0 {
			fmt.Fprintf(&b, "; %s may still", humanize.Comma(p.MayReturn))
		}
		b.WriteString(".")
	}
	return b.String()
}

// Print writes a period for people.
func (p Period) Print(page Page, title string) {
	if p.Judged == 0 {
		return
	}
	page.Text("")
	page.Text(title)
	line := func(name string, n int64, note string) {
		fmt.Fprintln(page, strings.TrimRight(fmt.Sprintf("  %-19s %11s  %s", name, humanize.Comma(n), note), " "))
	}
	line("recipients judged", p.Judged, "")
	line("accepted", p.Accepted, p.accepted())
	if p.Observed > 0 {
		line("  by observe", p.Observed, "only because greylist.mode is observe")
	}
	line("deferred", p.Deferred, "")
	if p.Denied > 0 {
		line("denied", p.Denied, "")
	}
	if p.Errors > 0 {
		line("by on_error", p.Errors, "because the database failed")
	}
	line("new triplets", p.New, "whose wait began then")
	line("came back", p.CameBack, p.cameBack())
	line("never came back", p.Never, show.Percent(p.Never, p.New))
	line("may still come back", p.MayReturn, show.Percent(p.MayReturn, p.New))
}

func (p Period) accepted() string {
	if p.Accepted == 0 {
		return ""
	}
	return show.Percent(p.Waited, p.Accepted) + " of them had waited"
}

func (p Period) cameBack() string {
	if p.CameBack == 0 {
		return ""
	}
	return fmt.Sprintf("%s; half in %s, 90 %% in %s", show.Percent(p.CameBack, p.New), show.Duration(*p.Median), show.Duration(*p.P90))
}

// PrintBars writes a bar chart of new triplets for people.
func PrintBars(page Page, bars []Bar) {
	most := int64(0)
	for _, b := range bars {
		most = max(most, b.New)
	}
	if most == 0 {
		return
	}
	c := page.chartOf(len(bars), func(i int) int64 { return bars[i].Since })
	page.Text("")
	page.Text("New triplets by " + c.each(bars[0].Since) + " ('#' came back, '.' has not)")
	c.print(len(bars), func(i int) (int64, string) {
		b := bars[i]
		if b.New == 0 {
			return b.Since, ""
		}
		width := page.bar(27)
		long := scaled(b.New, most, width)
		back := min(scaled(b.CameBack, most, width), long)
		return b.Since, fmt.Sprintf("%11s  %s", humanize.Comma(b.New), strings.Repeat("#", back)+strings.Repeat(".", long-back))
	})
}

// scaled returns the length of a bar, of which the longest has a width: at least one, unless
// n is zero.
func scaled(n, most int64, width int) int {
	if n == 0 {
		return 0
	}
	return int(max(n*int64(width)/max(most, int64(width)), 1))
}

// Print writes the senders for people.
func (s Senders) Print(p Page) {
	if len(s.Domains) > 0 {
		p.Text("")
		p.Text("Domains that wait most often (of the newest " + show.Count(int64(s.Records), "triplet") + ")")
		rows := [][]string{{"DOMAIN", "ADDRESSES", "TRIPLETS", "PASSED", "DEFERRED"}}
		for _, d := range s.Domains {
			rows = append(rows, d.row())
		}
		p.Table(rows)
	} else {
		p.printNone(s.Records)
	}
	if len(s.Networks) > 0 {
		p.Text("")
		p.Text("Networks in which one mail moves from address to address, and waits again")
		rows := [][]string{{"NETWORK", "ADDRESSES", "TRIPLETS", "PASSED", "DEFERRED", "MOVED"}}
		for _, n := range s.Networks {
			rows = append(rows, append(n.row(), humanize.Comma(n.Moved)))
		}
		p.Table(rows)
		p.Wrap("  ", "  ", "For pools of real mail servers set greylist.client_identity = \"provider\".")
	}
}

func (s Sender) row() []string {
	return []string{address.Printable(s.Name), humanize.Comma(int64(s.Addresses)), humanize.Comma(s.Triplets), humanize.Comma(s.Passed), humanize.Comma(s.Deferred)}
}

// printNone says that no triplet was counted, if that may be because of their number.
func (p Page) printNone(records int) {
	if records >= MaxRecords {
		p.Text("")
		p.Text("Of the newest " + show.Count(MaxRecords, "triplet") + " none came then; older ones are not counted here.")
	}
}
