package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
)

// journals are the folders that have the journal (systemd-journald.service(8)).
var journals = []string{"/var/log/journal", "/run/log/journal"}

// sayNone says why no decision is shown. That the journal cannot be read is an error.
func (r *logReader) sayNone(file string, stderr io.Writer) error {
	where := file
	switch file {
	case "":
		where = "the journal of the unit greyglass"
		if r.lines == 0 {
			if err := journalProblem(journals...); err != nil {
				return err
			}
		}
		if r.since != 0 {
			where += " since that time"
		}
	case "-":
		where = "standard input"
	}
	why := fmt.Sprintf("none of the %s decisions in %s is selected", humanize.Comma(int64(r.decisions)), where)
	switch {
	case r.decisions == 1:
		why = fmt.Sprintf("the only decision in %s is not selected", where)
	case r.lines == 0:
		why = where + " is empty"
	case r.decisions == 0:
		why = fmt.Sprintf("no line of %s is a decision (%s read); the daemon logs them if log.level is info", where, humanize.Comma(int64(r.lines)))
	}
	_, err := fmt.Fprintf(stderr, "greyglass: %s\n", why)
	return err
}

// journalProblem says why the journal in some folders cannot be read; nil if it can.
func journalProblem(folders ...string) error {
	err := errors.New("this machine has no journal; name the FILE that has the log, such as /var/log/mail.log")
	for _, folder := range folders {
		files, _ := filepath.Glob(filepath.Join(folder, "*", "system*.journal"))
		for _, file := range files {
			f, failed := os.Open(file)
			if failed == nil {
				return f.Close()
			}
			err = fmt.Errorf("the journal cannot be read (%w); run it as root, or as a member of the group systemd-journal", failed)
		}
	}
	return err
}
