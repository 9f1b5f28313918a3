package report

import (
	"fmt"
	"strings"

	"greyglass/greylist"
)

// chart prints lines by the hour or by the day. Several of them together that have nothing
// to say are one.
type chart struct {
	Page
	daily bool
}

// chartOf is a chart of which the parts begin at these times.
func (p Page) chartOf(n int, since func(i int) int64) chart {
	return chart{p, n > 1 && since(1)-since(0) > greylist.Hour}
}

// each is "hour, UTC" or "day, UTC".
func (c chart) each(unix int64) string {
	name := inZone(unix, "MST", c.Zone)
	if c.daily {
		return "day, " + name
	}
	return "hour, " + name
}

// label names the part that begins at a time. A day is named by its noon: one that has no
// midnight, because clocks are set forward then, may begin an hour beside it.
func (c chart) label(unix int64) string {
	if c.daily {
		return inZone(unix+Day/2, "2006-01-02", c.Zone)
	}
	return inZone(unix, "01-02 15:04", c.Zone)
}

// print prints n lines. line returns when the i-th part begins, and what it has to say.
func (c chart) print(n int, line func(i int) (int64, string)) {
	for i := 0; i < n; {
		since, text := line(i)
		empty := i
		for ; empty < n; empty++ {
			if _, text := line(empty); text != "" {
				break
			}
		}
		switch {
		case empty-i > 1:
			last, _ := line(empty - 1)
			text = "to " + c.label(last) + ": none"
		case empty-i == 1:
			text = "none"
		default:
			empty = i + 1
		}
		fmt.Fprintln(c, strings.TrimRight(fmt.Sprintf("  %s %s", c.label(since), text), " "))
		i = empty
	}
}
