package report

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// minutes is the format of a time, with its zone.
const minutes = "2006-01-02 15:04 MST"

func inZone(unix int64, layout string, zone *time.Location) string {
	return time.Unix(unix, 0).In(zone).Format(layout)
}

// chart prints lines by the hour or by the day of a zone. Several of them together that
// have nothing to say are one.
type chart struct {
	zone  *time.Location
	daily bool
}

// each is "hour, UTC" or "day, UTC".
func (c chart) each() string {
	name := time.Now().In(c.zone).Format("MST")
	if c.daily {
		return "day, " + name
	}
	return "hour, " + name
}

// label names the part that begins at a time. A day is named by its noon: where clocks were
// changed, days begin an hour beside midnight.
func (c chart) label(unix int64) string {
	if c.daily {
		return inZone(unix+Day/2, "2006-01-02", c.zone)
	}
	return inZone(unix, "01-02 15:04", c.zone)
}

// print prints n lines. line returns when the i-th part begins, and what it has to say.
func (c chart) print(w io.Writer, n int, line func(i int) (int64, string)) {
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
			text = "to " + strings.TrimSpace(c.label(last)) + ": none"
		case empty-i == 1:
			text = "none"
		default:
			empty = i + 1
		}
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %s %s", c.label(since), text), " "))
		i = empty
	}
}
