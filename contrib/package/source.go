package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// source is what the packages say about the tree that they are made of.
type source struct {
	version    string
	maintainer string
	home       string // the URL of the repository; empty: not known
	at         time.Time
	releases   []release // the newest first
	modules    []module  // that are linked into the program
}

func readSource() (s source, err error) {
	if s.at, err = sourceDate(); err != nil {
		return s, err
	}
	if s.maintainer, err = theMaintainer(); err != nil {
		return s, err
	}
	about, err := output("go", "run", "./cmd/greyglass", "version")
	if err != nil {
		return s, err
	}
	s.version = strings.Fields(about)[1]
	s.home = homePage()
	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return s, err
	}
	if s.releases, err = readChangelog(string(text), s.version, s.at); err != nil {
		return s, err
	}
	s.modules, err = linked()
	return s, err
}

// sourceDate is the one time that the packages hold.
func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		var err error
		if text, err = output("git", "log", "-1", "--format=%ct"); err != nil {
			return time.Time{}, fmt.Errorf("no date; build in a clone, or set SOURCE_DATE_EPOCH: %w", err)
		}
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is no number of seconds: %q", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// theMaintainer is the one that DEBFULLNAME and DEBEMAIL name, as for Debian's own
// tools, else the author of the last commit.
func theMaintainer() (string, error) {
	if name, email := os.Getenv("DEBFULLNAME"), os.Getenv("DEBEMAIL"); name != "" && email != "" {
		return fmt.Sprintf("%s <%s>", name, email), nil
	}
	author, err := output("git", "log", "-1", "--format=%an <%ae>")
	if err != nil {
		return "", fmt.Errorf("no maintainer; build in a clone, or set DEBFULLNAME and DEBEMAIL: %w", err)
	}
	return strings.TrimSpace(author), nil
}

// homePage is HOMEPAGE, or else the URL of which this is a clone, if it is one that a
// browser can open.
func homePage() string {
	origin, _ := exec.Command("git", "config", "--get", "remote.origin.url").Output() // there may be none
	url := cmp.Or(os.Getenv("HOMEPAGE"), strings.TrimSpace(string(origin)))
	if !strings.HasPrefix(url, "https://") || strings.Contains(url, "@") {
		return ""
	}
	return strings.TrimSuffix(strings.TrimSuffix(url, "/"), ".git")
}
