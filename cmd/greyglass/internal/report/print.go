package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"greyglass/greylist/address"
)

// Headline sums the period up, of which title begins a sentence: "In the last 24 hours".
func (p Period) Headline(title string) string {
	if p.Judged == 0 {
		return title + " nothing was judged."
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s recipients were judged: %s accepted", title, humanize.Comma(p.Judged), humanize.Comma(p.Accepted))
	if p.Waited > 0 {
		fmt.Fprintf(&b, " (%.1f %% of them had waited)", 100*p.WaitedShare())
	}
	fmt.Fprintf(&b, ", %s deferred", humanize.Comma(p.Deferred))
	if p.Denied > 0 {
		fmt.Fprintf(&b, ", %s denied", humanize.Comma(p.Denied))
	}
	b.WriteString(".")
	if p.New > 0 {
		fmt.Fprintf(&b, " Of %s new triplets %s came back", humanize.Comma(p.New), humanize.Comma(p.CameBack))
		if p.CameBack > 0 {
			fmt.Fprintf(&b, " (%s), half of them within %s", part(p.CameBack, p.New), Wait(*p.Median))
		}
		if p.MayReturn > 0 {
			fmt.Fprintf(&b, "; %s may still", humanize.Comma(p.MayReturn))
		}
		b.WriteString(".")
	}
	return b.String()
}

// Print writes a period for people.
func (p Period) Print(w io.Writer, title string, zone *time.Location) {
	if p.Judged == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s (since %s)\n", title, inZone(p.Since, minutes, zone))
	line := func(name string, n int64, note string) {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-19s %11s  %s", name, humanize.Comma(n), note), " "))
	}
	line("recipients judged", p.Judged, "")
	line("accepted", p.Accepted, p.accepted())
	line("deferred", p.Deferred, "")
	if p.Denied > 0 {
		line("denied", p.Denied, "")
	}
	if p.Errors > 0 {
		line("by on_error", p.Errors, "because the database failed")
	}
	line("new triplets", p.New, "whose wait began then")
	line("came back", p.CameBack, p.cameBack())
	line("never came back", p.Never, part(p.Never, p.New))
	line("may still come back", p.MayReturn, part(p.MayReturn, p.New))
}

func (p Period) accepted() string {
	var notes []string
	if p.Accepted > 0 {
		notes = append(notes, fmt.Sprintf("%.1f %% of them had waited", 100*p.WaitedShare()))
	}
	if p.Observed > 0 {
		notes = append(notes, humanize.Comma(p.Observed)+" only because greylist.mode is observe")
	}
	return strings.Join(notes, "; ")
}

func (p Period) cameBack() string {
	if p.CameBack == 0 {
		return ""
	}
	return fmt.Sprintf("%s; half within %s, 90 %% within %s", part(p.CameBack, p.New), Wait(*p.Median), Wait(*p.P90))
}

func part(n, of int64) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*float64(n)/float64(of))
}

// Wait is a time in the two units that matter: "1h 5m", "12m 30s".
func Wait(seconds int64) string {
	switch d := seconds; {
	case d >= Day:
		return fmt.Sprintf("%dd %dh", d/Day, d%Day/3600)
	case d >= 3600:
		return fmt.Sprintf("%dh %dm", d/3600, d%3600/60)
	case d >= 60:
		return fmt.Sprintf("%dm %ds", d/60, d%60)
	}
	return fmt.Sprintf("%ds", seconds)
}

// width is the length of the longest bar.
const width = 40

// PrintBars writes a bar chart of new triplets for people.
func PrintBars(w io.Writer, bars []Bar, zone *time.Location) {
	most := int64(0)
	for _, b := range bars {
		most = max(most, b.New)
	}
	if most == 0 {
		return
	}
	c := chart{zone: zone, daily: len(bars) > 1 && bars[1].Since-bars[0].Since == Day}
	fmt.Fprintf(w, "\nNew triplets by %s ('#' came back, '.' has not)\n", c.each())
	c.print(w, len(bars), func(i int) (int64, string) {
		b := bars[i]
		if b.New == 0 {
			return b.Since, ""
		}
		long := scaled(b.New, most)
		back := min(scaled(b.CameBack, most), long)
		return b.Since, fmt.Sprintf("%11s  %s", humanize.Comma(b.New), strings.Repeat("#", back)+strings.Repeat(".", long-back))
	})
}

// scaled returns the length of a bar: at least one, unless n is zero.
func scaled(n, most int64) int {
	if n == 0 {
		return 0
	}
	return int(max(n*width/max(most, width), 1))
}

// Print writes the senders for people.
func (s Senders) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(s.Domains) > 0 {
		fmt.Fprintf(t, "\nDomains that wait most often (of the newest %s triplets)\n", humanize.Comma(int64(s.Records)))
		fmt.Fprintln(t, "  DOMAIN\tADDRESSES\tTRIPLETS\tPASSED\tDEFERRED")
		for _, d := range s.Domains {
			fmt.Fprintf(t, "  %s\t%s\n", shown(d.Name), d.columns())
		}
	}
	if len(s.Networks) > 0 {
		fmt.Fprintln(t, "\nNetworks in which one mail moves from address to address, and waits again at each")
		fmt.Fprintln(t, "  NETWORK\tADDRESSES\tTRIPLETS\tPASSED\tDEFERRED\tMAILS THAT MOVED")
		for _, n := range s.Networks {
			fmt.Fprintf(t, "  %s\t%s\t%s\n", shown(n.Name), n.columns(), humanize.Comma(n.Moved))
		}
		fmt.Fprintln(t, "  If such a network is a pool of real mail servers, add it to rules.allowed_sender_nets.")
	}
	return t.Flush()
}

// longestName is how long a name may be so that its line fits a terminal.
const longestName = 38

// shown is a name that does nothing to a terminal, without its middle if it is long.
func shown(name string) string {
	name = address.Printable(name)
	if all := []rune(name); len(all) > longestName {
		half := (longestName - 2) / 2
		return string(all[:half]) + ".." + string(all[len(all)-half:])
	}
	return name
}

func (s Sender) columns() string {
	return strings.Join([]string{humanize.Comma(int64(s.Addresses)), humanize.Comma(s.Triplets), humanize.Comma(s.Passed), humanize.Comma(s.Deferred)}, "\t")
}
