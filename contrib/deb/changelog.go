package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// release is one version's entry of CHANGELOG.md.
type release struct {
	version string
	at      time.Time
	changes []string // a line each, unwrapped
}

func stageChangelog(file, version string, at time.Time) error {
	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	releases, err := parseChangelog(string(text), version, at)
	if err != nil {
		return err
	}
	return writeGzip(file, []byte(debianChangelog(releases, theMaintainer())))
}

// parseChangelog reads Keep a Changelog's format. What is unreleased belongs to
// the version that the program calls itself, at the given time.
func parseChangelog(text, version string, at time.Time) (releases []release, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "## [Unreleased]":
			releases = append(releases, release{version: version, at: at})
		case strings.HasPrefix(line, "## ["):
			number, date, ok := strings.Cut(strings.TrimPrefix(line, "## ["), "] - ")
			day, err := time.Parse(time.DateOnly, date)
			if !ok || err != nil {
				return nil, fmt.Errorf(`CHANGELOG.md: %q is not of the form "## [1.2.3] - 2006-01-02"`, line)
			}
			releases = append(releases, release{version: number, at: day})
		case len(releases) == 0 || line == "" || strings.HasPrefix(line, "###"):
		case strings.HasPrefix(line, "- "):
			last := &releases[len(releases)-1]
			last.changes = append(last.changes, line[2:])
		case strings.HasPrefix(line, "  "):
			last := &releases[len(releases)-1]
			if len(last.changes) == 0 {
				return nil, fmt.Errorf("CHANGELOG.md: %q belongs to no entry", line)
			}
			last.changes[len(last.changes)-1] += " " + strings.TrimSpace(line)
		}
	}
	// Nothing may be unreleased, right after a release.
	if len(releases) > 1 && len(releases[0].changes) == 0 {
		releases = releases[1:]
	}
	if len(releases) == 0 || releases[0].version != version {
		return nil, fmt.Errorf("CHANGELOG.md has no entry for version %s", version)
	}
	return releases, nil
}

// debianChangelog writes the format of deb-changelog(5).
func debianChangelog(releases []release, maintainer string) string {
	var b strings.Builder
	for i, r := range releases {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "greyglass (%s) unstable; urgency=medium\n\n", r.version)
		for _, change := range r.changes {
			b.WriteString(wrap(strings.ReplaceAll(change, "`", "'"), "  * ", "    "))
		}
		fmt.Fprintf(&b, "\n -- %s  %s\n", maintainer, r.at.UTC().Format(time.RFC1123Z))
	}
	return b.String()
}

// wrap breaks a text into lines of at most 79 characters.
func wrap(text, first, others string) string {
	var b strings.Builder
	line := first
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
			line += word
		case len(line)+1+len(word) > 79:
			b.WriteString(line + "\n")
			line = others + word
		default:
			line += " " + word
		}
	}
	return b.String() + line + "\n"
}
