package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

// release is a section of CHANGELOG.md.
type release struct {
	version string
	day     time.Time
	text    string   // as it is written, without its heading
	changes []string // its entries, each on one line
}

var entry = regexp.MustCompile(`(?m)^- (.*(?:\n  .*)*)`)

// readChangelog reads Keep a Changelog's format. What is unreleased belongs to the
// version that the program calls itself, at the given time; there may be nothing, right
// after a release.
func readChangelog(text, version string, at time.Time) (releases []release, err error) {
	for _, section := range strings.Split(text, "\n## [")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		r := release{version: version, day: at, text: strings.TrimSpace(body)}
		if title != "Unreleased]" {
			number, date, _ := strings.Cut(title, "] - ")
			if r.day, err = time.Parse(time.DateOnly, date); err != nil {
				return nil, fmt.Errorf(`CHANGELOG.md: "## [%s" is not of the form "## [1.2.3] - 2006-01-02"`, title)
			}
			r.version = number
		}
		for _, e := range entry.FindAllStringSubmatch(body, -1) {
			r.changes = append(r.changes, strings.Join(strings.Fields(strings.ReplaceAll(e[1], "`", "'")), " "))
		}
		if len(r.changes) > 0 {
			releases = append(releases, r)
		}
	}
	if len(releases) == 0 || releases[0].version != version {
		return nil, fmt.Errorf("CHANGELOG.md has no entry for version %s", version)
	}
	return releases, nil
}

// debianChangelog is deb-changelog(5). nfpm's own does not wrap its lines, of which
// lintian complains.
func debianChangelog(releases []release, maintainer string) string {
	var all []string
	for _, r := range releases {
		changes := ""
		for _, change := range r.changes {
			changes += wrap("  * " + change)
		}
		all = append(all, fmt.Sprintf("greyglass (%s) unstable; urgency=medium\n\n%s\n -- %s  %s\n", r.version, changes, maintainer, r.day.UTC().Format(time.RFC1123Z)))
	}
	return strings.Join(all, "\n")
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

// writeRPMChangelog writes the changelog as nfpm reads it, for RPM: YAML, of which JSON is a part.
func writeRPMChangelog(file string, releases []release, maintainer string) error {
	type note struct {
		Note string `json:"note"`
	}
	type version struct {
		Version  string `json:"semver"`
		Date     string `json:"date"`
		Packager string `json:"packager"`
		Changes  []note `json:"changes"`
	}
	var all []version
	for _, r := range releases {
		v := version{r.version + "-1", r.day.UTC().Format(time.RFC3339), maintainer, nil}
		for _, change := range r.changes {
			v.Changes = append(v.Changes, note{change})
		}
		all = append(all, v)
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
