package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"greyglass/cmd/greyglass/internal/report"
	"greyglass/cmd/greyglass/internal/show"
	"greyglass/greylist"
)

// The size of a picture, in the units of its own.
const (
	pictureWidth  = 600
	pictureHeight = 176
	axis          = 20 // below the columns, for the labels
	scale         = 16 // above the columns, for the number of the highest
)

// picture is a chart of columns, each of two parts, one on the other. The template draws it
// as SVG.
type picture struct {
	Title        string
	Says         string // what it shows, for those who do not see it
	Lower, Upper string // what the parts are; Upper empty: there is one
	Width        int
	Height       int
	Top          int   // where the highest column ends
	Most         int64 // how many it stands for
	Columns      []column
	Labels       []label
}

// column is one column; the rest is where its parts are drawn.
type column struct {
	Name           string
	Lower, Upper   int64
	X, Width       float64
	LowerY, UpperY float64
	LowerH, UpperH float64
}

// label is a text below the columns.
type label struct {
	X    float64
	Text string
}

// draw places the columns, and a label at each of every columns.
func (p picture) draw(every int) picture {
	p.Width, p.Height, p.Top = pictureWidth, pictureHeight, scale
	for _, c := range p.Columns {
		p.Most = max(p.Most, c.Lower+c.Upper)
	}
	step := float64(pictureWidth) / float64(max(len(p.Columns), 1))
	unit := float64(pictureHeight-axis-scale) / float64(max(p.Most, 1))
	for i := range p.Columns {
		c := &p.Columns[i]
		c.X, c.Width = float64(i)*step+step*0.1, step*0.8
		c.LowerH, c.UpperH = float64(c.Lower)*unit, float64(c.Upper)*unit
		c.LowerY = float64(pictureHeight-axis) - c.LowerH
		c.UpperY = c.LowerY - c.UpperH
		if i%every == 0 {
			p.Labels = append(p.Labels, label{float64(i)*step + step/2, c.Name})
		}
	}
	return p
}

// answersByTime shows how many recipients were accepted and deferred.
func answersByTime(bars []report.Bar) picture {
	p := picture{Title: "Answers of the last day, by hour", Lower: "accepted or denied", Upper: "deferred"}
	var judged, deferred int64
	for _, b := range bars {
		p.Columns = append(p.Columns, column{Name: time.Unix(b.Since, 0).Format("15:04"), Lower: b.Judged - b.Deferred, Upper: b.Deferred})
		judged, deferred = judged+b.Judged, deferred+b.Deferred
	}
	p.Says = fmt.Sprintf("%s recipients were judged in the last day; %s of them were deferred.", humanize.Comma(judged), humanize.Comma(deferred))
	return p.draw(6)
}

// returnsByTime shows how many unknown triplets came back, and how many did not.
func returnsByTime(bars []report.Bar) picture {
	p := picture{Title: "First messages of the last 30 days, by day", Lower: "came back", Upper: "did not come back, so far"}
	var back, new_ int64
	for _, b := range bars {
		returned := min(b.CameBack, b.New)
		p.Columns = append(p.Columns, column{Name: time.Unix(b.Since, 0).Format("01-02"), Lower: returned, Upper: b.New - returned})
		back, new_ = back+returned, new_+b.New
	}
	p.Says = fmt.Sprintf("%s messages of unknown triplets were deferred in the last 30 days; %s were tried again and accepted.", humanize.Comma(new_), humanize.Comma(back))
	return p.draw(7)
}

// delayBands are the delays that the picture tells apart, in seconds.
var delayBands = []struct {
	name   string
	within int64
}{{"1 min", 60}, {"5 min", 300}, {"10 min", 600}, {"30 min", 1800}, {"1 h", 3600}, {"2 h", 7200}, {"4 h", 14400}, {"8 h", 28800}, {"1 d", 86400}, {"longer", 1 << 62}}

// delaysOf shows how long first messages waited that came back.
func delaysOf(h greylist.History, since int64) picture {
	p := picture{Title: "How long first messages waited, in the last 30 days", Lower: "messages that waited up to this long"}
	for _, band := range delayBands {
		p.Columns = append(p.Columns, column{Name: band.name})
	}
	waits := make([]int64, len(greylist.Delays))
	var all int64
	for _, r := range h.Returned {
		if r.Hour < since {
			continue
		}
		for i, band := range delayBands {
			if r.Within <= band.within {
				p.Columns[i].Lower += r.Count
				break
			}
		}
		waits[greylist.DelayWithin(r.Within)] += r.Count
		all += r.Count
	}
	p.Says = "No first message came back in these 30 days."
	if all > 0 {
		p.Says = fmt.Sprintf("Of %s messages, half waited less than %s, and nine in ten less than %s.",
			humanize.Comma(all), show.Duration(report.Quantile(waits, 0.5)), show.Duration(report.Quantile(waits, 0.9)))
	}
	return p.draw(1)
}

// waitedOf shows which part of the mail that was accepted had to wait before.
func waitedOf(h greylist.History, since, now int64) picture {
	p := picture{Title: "Accepted mail of the last 30 days, by day", Lower: "had to wait first", Upper: "did not have to wait"}
	var accepted, waited int64
	days := report.Bars(greylist.History{}, since, now, time.Local)
	p.Columns = make([]column, len(days))
	for i, day := range days {
		p.Columns[i].Name = time.Unix(day.Since, 0).Format("01-02")
	}
	for _, a := range h.Answered {
		if a.Verdict != greylist.Accept || a.Hour < since || len(days) == 0 {
			continue
		}
		i := min(max(int((a.Hour-days[0].Since)/report.Day), 0), len(days)-1)
		accepted += a.Count
		if a.Reason == greylist.ReasonNowGrey {
			p.Columns[i].Lower += a.Count
			waited += a.Count
		} else {
			p.Columns[i].Upper += a.Count
		}
	}
	p.Says = "No mail was accepted in these 30 days."
	if accepted > 0 {
		percent := strings.ReplaceAll(show.Percent(waited, accepted), " ", "\u00a0") // no line ends within it
		p.Says = fmt.Sprintf("Of %s accepted recipients, %s had to wait first: %s.", humanize.Comma(accepted), humanize.Comma(waited), percent)
	}
	return p.draw(7)
}
