// Package show writes numbers, times and addresses for people, everywhere in one form.
package show

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// Count is a number of things: "1 triplet", "1,234 entries".
func Count(n int64, thing string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(thing, "y"):
		thing = strings.TrimSuffix(thing, "y") + "ies"
	default:
		thing += "s"
	}
	return humanize.Comma(n) + " " + thing
}

// Percent is a part of a whole: "15 %", "0.4 %"; empty if there is no whole.
func Percent(n, of int64) string {
	if of == 0 {
		return ""
	}
	percent := 100 * float64(n) / float64(of)
	if n == 0 || percent >= 9.95 {
		return fmt.Sprintf("%.0f %%", percent)
	}
	return fmt.Sprintf("%.1f %%", percent)
}

// units are those of times, in seconds, the greatest first.
var units = []struct {
	seconds int64
	name    string
}{{24 * 3600, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}}

// Duration is a time in its two greatest units: "1h 5m", "12m 30s", "2d".
func Duration(seconds int64) string { return inUnits(seconds, 2) }

// Age is a time in its greatest unit, for a narrow column: "45s", "3m", "12h", "34d".
func Age(seconds int64) string { return inUnits(seconds, 1) }

func inUnits(seconds int64, most int) string {
	for i, u := range units {
		if seconds < u.seconds {
			continue
		}
		text := fmt.Sprintf("%d%s", seconds/u.seconds, u.name)
		if most > 1 && i+1 < len(units) {
			if next := units[i+1]; seconds%u.seconds >= next.seconds {
				text += fmt.Sprintf(" %d%s", seconds%u.seconds/next.seconds, next.name)
			}
		}
		return text
	}
	return "0s"
}

// Seconds is a time of mostly less than a second: "2.5ms", "1.25s".
func Seconds(s float64) string { return time.Duration(s * float64(time.Second)).String() }

// Address is an address, a domain or a client that is cut to a width if it is longer. The
// domain stays whole as long as it can, and then its end, because that tells whose it is.
func Address(s string, width int) string {
	all := utf8.RuneCountInString(s)
	if all <= width {
		return s
	}
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		local, domain := []rune(s[:at]), s[at:]
		if fits := width - len("..") - utf8.RuneCountInString(domain); fits >= 0 {
			return string(local[:fits]) + ".." + domain
		}
	}
	return ".." + string([]rune(s)[all-max(width-len(".."), 0):])
}
