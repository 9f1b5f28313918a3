package main

import (
	"slices"
	"strings"
)

// colour colours texts, if it is on.
type colour bool

// The colours, as numbers of SGR (ECMA-48).
const (
	red    = "31"
	green  = "32"
	yellow = "33"
)

// colour is on if standard output is a terminal that has colours, and NO_COLOR is not set
// (no-color.org).
func (p *program) colour() colour {
	without := slices.ContainsFunc(p.environ, func(variable string) bool {
		value, found := strings.CutPrefix(variable, "NO_COLOR=")
		return found && value != "" || variable == "TERM=dumb"
	})
	return colour(!without && terminalWidth(p.stdout) > 0)
}

func (c colour) paint(number, text string) string {
	if !c {
		return text
	}
	return "\x1b[" + number + "m" + text + "\x1b[0m"
}
