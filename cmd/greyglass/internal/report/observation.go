package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"greyglass/greylist"
)

// Observation is what the greylist would have done while it only observed. Times are Unix
// seconds.
type Observation struct {
	Since      int64 `json:"since"`
	Judged     int64 `json:"judged"`      // recipients
	WouldDefer int64 `json:"would_defer"` // of these
	CameBack   int64 `json:"came_back"`   // triplets that came again when a retry would have passed

	Parts []Observed `json:"parts"` // hours, or days of a long time
}

// Observed is a part of an observation.
type Observed struct {
	Since      int64 `json:"since"`
	Judged     int64 `json:"judged"`
	WouldDefer int64 `json:"would_defer"`
}

// Observe sums up the hours of a history from since to until, the present, in which the
// greylist only observed: those after the last in which it deferred mail.
func Observe(h greylist.History, since, until int64, zone *time.Location) Observation {
	for _, a := range h.Answered {
		if a.Verdict == greylist.Defer && slices.Contains(waits, a.Reason) {
			since = max(since, a.Hour+greylist.Hour)
		}
	}
	o := Observation{Since: since, Parts: []Observed{}}
	begin := slices.IndexFunc(h.Answered, func(a greylist.Answered) bool { return a.Hour >= since && a.Hour <= until })
	if begin < 0 {
		return o
	}
	o.Since = h.Answered[begin].Hour
	first, step := slots(o.Since, until, zone)
	for at := first; at <= until; at += step {
		o.Parts = append(o.Parts, Observed{Since: at})
	}
	for _, a := range h.Answered[begin:] {
		p := &o.Parts[min((a.Hour-first)/step, int64(len(o.Parts)-1))]
		p.Judged += a.Count
		o.Judged += a.Count
		switch {
		case slices.Contains(waits, a.Reason):
			p.WouldDefer += a.Count
			o.WouldDefer += a.Count
		case a.Reason == greylist.ReasonNowGrey:
			o.CameBack += a.Count
		}
	}
	return o
}

// Headline sums the observation up.
func (o Observation) Headline(zone *time.Location) string {
	begun := inZone(o.Since, minutes, zone)
	if o.Judged == 0 {
		return fmt.Sprintf("greylist.mode is observe; nothing was judged since %s.", begun)
	}
	return fmt.Sprintf("Since %s greylist.mode is observe: would have deferred so far %s of %s recipients (%.1f %%); came back anyway: %s triplets.",
		begun, humanize.Comma(o.WouldDefer), humanize.Comma(o.Judged), 100*float64(o.WouldDefer)/float64(o.Judged), humanize.Comma(o.CameBack))
}

// Print writes the parts of an observation for people.
func (o Observation) Print(w io.Writer, zone *time.Location) {
	if o.Judged == 0 {
		return
	}
	most := int64(0)
	for _, p := range o.Parts {
		most = max(most, p.WouldDefer)
	}
	c := chart{zone: zone, daily: len(o.Parts) > 1 && o.Parts[1].Since-o.Parts[0].Since == Day}
	fmt.Fprintf(w, "\nWould have deferred, of all that was judged, by %s\n", c.each())
	c.print(w, len(o.Parts), func(i int) (int64, string) {
		p := o.Parts[i]
		if p.Judged == 0 {
			return p.Since, ""
		}
		return p.Since, fmt.Sprintf("%9s of %9s  %s", humanize.Comma(p.WouldDefer), humanize.Comma(p.Judged), strings.Repeat("#", scaled(p.WouldDefer, most)))
	})
}
