package main

import (
	"fmt"
	"html"
	"strings"
)

// bands are the delays that the picture tells apart.
var bands = []struct {
	name   string
	within int64 // seconds
	color  string
}{
	{"at once", 0, "#1b7837"},
	{"within 10 minutes", 10 * minute, "#7fbf7b"},
	{"an hour", hour, "#d9f0d3"},
	{"6 hours", 6 * hour, "#e7d4e8"},
	{"later", lost - 1, "#af8dc3"},
	{"never", lost, "#762a83"},
}

const (
	left, barWidth, right = 220, 520, 110
	rowHeight, panelGap   = 20, 34
	pictureWidth          = left + barWidth + right
)

// draw draws, as SVG, a panel for each configuration, with a bar for each class of sender:
// which shares of its first messages were accepted after which delays.
func draw(outcomes []outcome) string {
	var b strings.Builder
	height := 50 + len(outcomes)*(panelGap+rowHeight*(len(classes)+1)) + 10
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="13">`+"\n", pictureWidth, height)
	fmt.Fprintf(&b, `<title>Delays of first messages by class of sender</title><rect width="%d" height="%d" fill="#fff"/>`+"\n", pictureWidth, height)
	x := 20
	for _, band := range bands {
		fmt.Fprintf(&b, `<rect x="%d" y="14" width="14" height="14" fill="%s"/><text x="%d" y="26">%s</text>`+"\n", x, band.color, x+20, band.name)
		x += 45 + 8*len(band.name)
	}
	y := 50
	for _, o := range outcomes {
		fmt.Fprintf(&b, `<text x="20" y="%d" font-weight="bold">%s</text>`+"\n", y+18, html.EscapeString(o.name))
		y += panelGap - 6
		for _, c := range classes {
			bar(&b, y, string(c), o.all[string(c)])
			y += rowHeight
		}
		bar(&b, y, "all", o.all[firsts])
		y += rowHeight + 6
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// bar draws the line of a class.
func bar(b *strings.Builder, y int, name string, d delays) {
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, left-10, y+14, html.EscapeString(name))
	from := 0.0
	for _, band := range bands {
		to := d.within(band.within)
		fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"><title>%s: %s</title></rect>`,
			left+barWidth*from, y, barWidth*(to-from), rowHeight-3, band.color, band.name, percent(to-from))
		from = to
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" font-size="11">%s at once</text>`+"\n", left+barWidth+8, y+14, percent(d.within(0)))
}
