package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

// stageChangelog writes CHANGELOG.md as Debian's policy has it (4.4). nfpm's own
// changelog would need the entries in a format of its own, too, and does not wrap
// their lines, of which lintian complains.
func stageChangelog(file, version, maintainer string, at time.Time) error {
	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	changes, err := debianChangelog(string(text), version, at, maintainer)
	if err != nil {
		return err
	}
	return writeGzip(file, []byte(changes))
}

var entry = regexp.MustCompile(`(?m)^- (.*(?:\n  .*)*)`)

// debianChangelog makes deb-changelog(5) of Keep a Changelog's format. What is
// unreleased belongs to the version that the program calls itself, at the given
// time; there may be nothing, right after a release.
func debianChangelog(text, version string, at time.Time, maintainer string) (string, error) {
	var releases []string
	first := ""
	for _, section := range strings.Split(text, "\n## [")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		name, day := version, at
		if title != "Unreleased]" {
			number, date, _ := strings.Cut(title, "] - ")
			var err error
			if day, err = time.Parse(time.DateOnly, date); err != nil {
				return "", fmt.Errorf(`CHANGELOG.md: "## [%s" is not of the form "## [1.2.3] - 2006-01-02"`, title)
			}
			name = number
		}
		changes := ""
		for _, e := range entry.FindAllStringSubmatch(body, -1) {
			changes += wrap("  * " + strings.ReplaceAll(e[1], "`", "'"))
		}
		if changes == "" {
			continue
		}
		if first == "" {
			first = name
		}
		releases = append(releases, fmt.Sprintf("greyglass (%s) unstable; urgency=medium\n\n%s\n -- %s  %s\n", name, changes, maintainer, day.UTC().Format(time.RFC1123Z)))
	}
	if first != version {
		return "", fmt.Errorf("CHANGELOG.md has no entry for version %s", version)
	}
	return strings.Join(releases, "\n"), nil
}

// wrap breaks an entry into lines of at most 79 characters.
func wrap(text string) string {
	out, line := "", " "
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > 79 {
			out, line = out+line+"\n", "   "
		}
		line += " " + word
	}
	return out + line + "\n"
}
