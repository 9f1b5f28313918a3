package config

import (
	"fmt"
	"strings"
)

// suggestKey suggests how to fix an unknown key.
func suggestKey(section, name string) string {
	var inSection, elsewhere []string
	for _, s := range Sections {
		for i := range s.Options {
			o := &s.Options[i]
			switch {
			case s.Name == section:
				inSection = append(inSection, o.name())
			case o.name() == name:
				elsewhere = append(elsewhere, o.Key)
			}
		}
	}
	if near, ok := Nearest(name, inSection); ok {
		return fmt.Sprintf("did you mean %s.%s?", section, near)
	}
	if len(elsewhere) > 0 {
		return fmt.Sprintf("did you mean %s?", strings.Join(elsewhere, " or "))
	}
	if isSection(section) {
		return fmt.Sprintf("remove it; [%s] knows %s", section, strings.Join(inSection, ", "))
	}
	return "remove it"
}

// suggestSection suggests how to fix an unknown section.
func suggestSection(name string) string {
	var names []string
	for _, s := range Sections {
		names = append(names, s.Name)
	}
	if near, ok := Nearest(name, names); ok {
		return fmt.Sprintf("did you mean [%s]?", near)
	}
	if fix := suggestKey("", name); fix != "remove it" { // a key outside of its section
		return fix
	}
	return "remove it; the sections are " + strings.Join(names, ", ")
}

// Nearest returns the candidate of which s may be a misspelling.
func Nearest(s string, candidates []string) (string, bool) {
	best, least := "", max(1, len(s)/3)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(s), c); d < least {
			best, least = c, d
		}
	}
	return best, best != ""
}

// longestName is the longest name, in bytes, that is compared.
const longestName = 64

// distance is the edit distance of two names, where swapping two neighbours counts as
// one edit (optimal string alignment).
func distance(a, b string) int {
	if len(a) > longestName {
		return len(a)
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now := make([]int, len(b)+1)
		now[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			now[j] = min(replace, last[j]+1, now[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last = last, now
	}
	return last[len(b)]
}
