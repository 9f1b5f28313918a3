package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// debianCopyright writes whose the program is, and whose all that is linked into it,
// with the licences that must be passed on (DEP-5, machine-readable copyright files). What is
// linked has the names of a vendor folder. go-licenses would leave out Go itself and the NOTICE
// files that Apache's licence is about.
func debianCopyright(src source) (string, error) {
	own, err := os.ReadFile("LICENSE")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: greyglass\n" +
		field("Upstream-Contact", src.maintainer) + field("Source", src.home) +
		"Comment: usr/sbin/greyglass is linked statically with the Go modules below\n vendor/, and with the standard library and runtime of Go.\n" +
		"\nFiles: *\n" + copyrights("Greyglass", string(own)) + "License: BSD-2-Clause\n" + field822(string(own)))
	for _, m := range src.modules {
		fmt.Fprintf(&b, "\nFiles: vendor/%s/*\n%s%s%s", m.path, copyrights(m.path, m.text()), "License: "+m.licence()+"\n", field822(m.text()))
		fmt.Fprintf(&b, "Comment: version %s\n", strings.TrimSpace(m.version))
		for _, l := range m.files {
			if l.name == "" { // what must be passed on besides
				fmt.Fprintf(&b, " .\n %s:\n%s", l.file, field822(l.text))
			}
		}
	}
	return b.String(), nil
}

func field(name, value string) string {
	if value == "" {
		return ""
	}
	return name + ": " + value + "\n"
}

var holder = regexp.MustCompile(`(?mi)^[ \t]*(?:copyright[ \t]+(?:©|\(c\))?|©|\(c\))[ \t]*(.*[0-9]{4}.*)$`)

// copyrights is the field Copyright, of the lines that say so in licences.
func copyrights(name, text string) string {
	value, seen := "", make(map[string]bool)
	for _, line := range holder.FindAllStringSubmatch(text, -1) {
		if who := strings.TrimSpace(line[1]); !seen[who] {
			seen[who] = true
			value += "\n " + who
		}
	}
	if value == "" {
		value = " the authors of " + name
	}
	return "Copyright:" + value + "\n"
}

// field822 writes a text as the lines of a field.
func field822(text string) string {
	var b strings.Builder
	for line := range strings.Lines(indent(text, " ")) {
		if strings.TrimSpace(line) == "" {
			line = " .\n"
		}
		b.WriteString(strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}

func indent(text, by string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
		b.WriteString(strings.TrimRight(by+strings.TrimRight(line, "\r\n"), " \t") + "\n")
	}
	return b.String()
}
