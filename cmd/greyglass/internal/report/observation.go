package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"greyglass/cmd/greyglass/internal/show"
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

// Observe sums up the hours of a history from since until before a time in which the greylist
// only observed: those after the last in which it deferred mail.
func Observe(h greylist.History, since, until int64, zone *time.Location) Observation {
	for _, a := range h.Answered {
		if a.Verdict == greylist.Defer && slices.Contains(waits, a.Reason) {
			since = max(since, a.Hour+greylist.Hour)
		}
	}
	o := Observation{Since: since, Parts: []Observed{}}
	begin := slices.IndexFunc(h.Answered, func(a greylist.Answered) bool { return a.Hour >= since && a.Hour < until })
	if begin < 0 {
		return o
	}
	o.Since = h.Answered[begin].Hour
	begins := slots(o.Since, until, zone)
	for _, at := range begins {
		o.Parts = append(o.Parts, Observed{Since: at})
	}
	for _, a := range h.Answered[begin:] {
		p := &o.Parts[slotOf(begins, a.Hour)]
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

// Headline sums the observation up: of a time that has a name, such as "From … to …", or, if
// it is empty, until now.
func (o Observation) Headline(of string, zone *time.Location) string {
	if of != "" && o.Judged == 0 {
		return of + " nothing was judged; greylist.mode is observe."
	}
	begun := inZone(o.Since, minutes, zone)
	if o.Judged == 0 {
		return fmt.Sprintf("greylist.mode is observe; nothing was judged since %s.", begun)
	}
	far := ""
	if of == "" {
		of, far = "Since "+begun, " so far"
	}
	return fmt.Sprintf("%s greylist.mode is observe: would have deferred%s %s of %s (%s); came back anyway: %s.",
		of, far, humanize.Comma(o.WouldDefer), show.Count(o.Judged, "recipient"), show.Percent(o.WouldDefer, o.Judged), show.Count(o.CameBack, "triplet"))
}

// Print writes the parts of an observation for people.
func (o Observation) Print(page Page) {
	if o.Judged == 0 {
		return
	}
	most := int64(0)
	for _, p := range o.Parts {
		most = max(most, p.WouldDefer)
	}
	c := page.chartOf(len(o.Parts), func(i int) int64 { return o.Parts[i].Since })
	page.Text("")
	page.Text("Would have deferred, of all that was judged, by " + c.each(o.Since))
	c.print(len(o.Parts), func(i int) (int64, string) {
		p := o.Parts[i]
		if p.Judged == 0 {
			return p.Since, ""
		}
		return p.Since, fmt.Sprintf("%9s of %9s  %s", humanize.Comma(p.WouldDefer), humanize.Comma(p.Judged), strings.Repeat("#", scaled(p.WouldDefer, most, page.bar(38))))
	})
}
