package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

// Print writes a period for people.
func (p Period) Print(w io.Writer, title string) {
	fmt.Fprintf(w, "\n%s (since %s UTC)\n", title, inUTC(p.Since, "2006-01-02 15:04"))
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
	return fmt.Sprintf("%s; half within %s, 90 %% within %s", part(p.CameBack, p.New), Wait(p.Median), Wait(p.P90))
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
func PrintBars(w io.Writer, bars []Bar) {
	most := int64(0)
	for _, b := range bars {
		most = max(most, b.New)
	}
	if most == 0 {
		return
	}
	each, layout := "hour", "01-02 15:04"
	if len(bars) > 1 && bars[1].Since-bars[0].Since == Day {
		each, layout = "day", "2006-01-02"
	}
	fmt.Fprintf(w, "\nNew triplets by %s of UTC ('#' came back, '.' has not)\n", each)
	for _, b := range bars {
		long := scaled(b.New, most)
		back := min(scaled(b.CameBack, most), long)
		bar := strings.Repeat("#", back) + strings.Repeat(".", long-back)
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %s %11s  %s", inUTC(b.Since, layout), humanize.Comma(b.New), bar), " "))
	}
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
		fmt.Fprintln(t, "  DOMAIN\tADDRESSES\tTRIPLETS\tLET THROUGH\tDEFERRED")
		for _, d := range s.Domains {
			fmt.Fprintf(t, "  %s\t%d\t%d\t%d\t%d\n", d.Name, d.Addresses, d.Triplets, d.Passed, d.Deferred)
		}
	}
	if len(s.Networks) > 0 {
		fmt.Fprintln(t, "\nNetworks in which one mail moves from address to address, and waits again at each")
		fmt.Fprintln(t, "  NETWORK\tADDRESSES\tTRIPLETS\tLET THROUGH\tDEFERRED\tMAILS THAT MOVED")
		for _, n := range s.Networks {
			fmt.Fprintf(t, "  %s\t%d\t%d\t%d\t%d\t%d\n", n.Name, n.Addresses, n.Triplets, n.Passed, n.Deferred, n.Moved)
		}
		fmt.Fprintln(t, "  If such a network is a pool of real mail servers, add it to rules.allowed_sender_nets.")
	}
	return t.Flush()
}

func inUTC(unix int64, layout string) string { return time.Unix(unix, 0).UTC().Format(layout) }
