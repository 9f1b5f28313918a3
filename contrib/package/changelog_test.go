package main

import (
	"strings"
	"testing"
	"time"
)

var built = time.Date(2026, 3, 1, 9, 14, 5, 0, time.UTC)

const head = "# Changelog\n\nThe format is …\n\n"

func TestDebianChangelog(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"before the first release", head + "## [Unreleased]\n\n### Added\n\n- One `thing`,\n  and more of it.\n- Another.\n",
			"greyglass (1.2.0) unstable; urgency=medium\n\n  * One 'thing', and more of it.\n  * Another.\n\n -- Me <me@example.org>  Sun, 01 Mar 2026 09:14:05 +0000\n"},
		{"right after a release", head + "## [Unreleased]\n\n## [1.2.0] - 2026-02-03\n\n- One.\n\n## [1.1.0] - 2026-01-02\n\n- Two.\n",
			"greyglass (1.2.0) unstable; urgency=medium\n\n  * One.\n\n -- Me <me@example.org>  Tue, 03 Feb 2026 00:00:00 +0000\n\n" +
				"greyglass (1.1.0) unstable; urgency=medium\n\n  * Two.\n\n -- Me <me@example.org>  Fri, 02 Jan 2026 00:00:00 +0000\n"},
	} {
		releases, err := readChangelog(c.text, "1.2.0", built)
		if got := debianChangelog(releases, "Me <me@example.org>"); err != nil || got != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.name, err, got, c.want)
		}
	}
	for text, want := range map[string]string{
		head: "no entry for version 1.2.0",
		head + "## [1.1.0] - 2026-01-02\n\n- One.\n": "no entry for version 1.2.0",
		head + "## [1.2.0]\n\n- One.\n":              "is not of the form",
		head + "## [1.2.0] - today\n":                "is not of the form",
	} {
		if _, err := readChangelog(text, "1.2.0", built); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for line := range strings.Lines(wrap("  * " + strings.Repeat("word ", 60))) {
		if len(line) > 80 {
			t.Errorf("longer than 79 characters: %s", line)
		}
	}
}
