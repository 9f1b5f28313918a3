package main

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"greyglass/cmd/greyglass/internal/report"
	"greyglass/cmd/greyglass/internal/show"
	"greyglass/cmd/greyglass/internal/watch"
	"greyglass/greylist/address"
)

// failed is said of a file that cannot be read again.
const failed = "THE LAST READING FAILED"

// shownLists is how many lists are shown, so that the status fits one screen.
const shownLists = 6

// statusPage is the status for people, as it is being written.
type statusPage struct {
	bytes.Buffer
	width  int
	colour colour
	now    int64
}

// line writes a line, which begins with a name, or goes on from the one before.
func (p *statusPage) line(name, format string, a ...any) {
	var lines bytes.Buffer
	report.Page{Writer: &lines, Width: p.width}.Wrap(fmt.Sprintf("%-9s ", name), strings.Repeat(" ", 10), fmt.Sprintf(format, a...))
	text := strings.TrimSuffix(lines.String(), "\n")
	if strings.Contains(text, failed) || strings.Contains(text, "FAILING") {
		text = p.colour.paint(red, text)
	}
	fmt.Fprintln(p, text)
}

// printStatus prints a status; asked is why the daemon did not tell it itself.
func (p *program) printStatus(s watch.Status, asked error, well bool) error {
	page := &statusPage{width: cmp.Or(terminalWidth(p.stdout), math.MaxInt32), colour: p.colour(), now: wallClock().Unix()}
	page.print(s, asked, well)
	_, err := page.WriteTo(p.stdout)
	return err
}

func (p *statusPage) print(s watch.Status, asked error, well bool) {
	p.daemon(s)
	if s.Recent != nil {
		p.recent(*s.Recent)
	}
	p.database(s)
	if s.State == watch.Ready {
		p.others(s)
		p.lists(s.Lists)
	}
	if s.State == watch.Answers && mayNotOpen(asked) {
		p.line("", "More is shown to root, and to users in the group of the daemon's sockets.")
	} else if s.State == watch.Answers {
		p.line("", "More is shown if listen.policy has a unix socket, or listen.http is set.")
	}
	if well {
		fmt.Fprintln(p, strings.Repeat(" ", 10)+p.colour.paint(green, "All is well."))
	}
}

func (p *statusPage) daemon(s watch.Status) {
	state := s.State
	if s.Started != nil {
		state = fmt.Sprintf("%s %s, up %s, pid %d", state, s.Version, show.Duration(p.now-*s.Started), s.PID)
	}
	p.line("greyglass", "%s", state)
	p.line("mode", "%s, profile %s", s.Mode, s.Profile)
	for i, at := range s.Listening {
		name := "listening"
		if i > 0 {
			name = ""
		}
		p.line(name, "%s", at)
	}
}

func (p *statusPage) recent(c watch.Counts) {
	p.line("mail", "in the last %s: %s accepted, %s deferred, %s denied%s", show.Duration(c.Seconds),
		humanize.Comma(c.Accepted), humanize.Comma(c.Deferred), humanize.Comma(c.Denied), errorsInWords(c.Errors))
	if c.Median != nil {
		p.line("answers", "half within %s, 99 %% within %s", inSeconds(c.Median), inSeconds(c.P99))
	}
}

func errorsInWords(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %s of these by on_error", humanize.Comma(n))
}

// inSeconds is a number of seconds, nil for more than can be said.
func inSeconds(s *float64) string {
	if s == nil {
		return "longer"
	}
	return show.Seconds(*s)
}

func (p *statusPage) database(s watch.Status) {
	db := s.Database
	state := "works"
	switch {
	case s.State != watch.Ready && s.State != watch.Stopping:
		state = "not asked"
	case db.FailingOpen:
		state = "FAILING OPEN" + p.since(db.Since)
	case db.Failing:
		state = "FAILING" + p.since(db.Since)
	}
	p.line("database", "%s: %s", state, db.Store)
	if db.Triplets != nil {
		states := ""
		if db.Waiting != nil && db.Passed != nil {
			states = fmt.Sprintf(": %s waiting, %s passed", humanize.Comma(*db.Waiting), humanize.Comma(*db.Passed))
		}
		p.line("", "%s%s%s", show.Count(*db.Triplets, "triplet"), mostInWords(db.MaxRows), states)
	}
	if db.Bytes != nil {
		size := uint64(*db.Bytes)
		if db.LogBytes != nil {
			size += uint64(*db.LogBytes) // of the -wal file
		}
		p.line("", "%s on disk", humanize.IBytes(size))
	}
	if s.State == watch.Ready {
		commits := ""
		if db.CommitMedian != nil {
			commits = fmt.Sprintf("; commits: half within %s, 99 %% within %s", inSeconds(db.CommitMedian), inSeconds(db.CommitP99))
		}
		p.line("", "%s queued%s", show.Count(int64(db.Queued), "change"), commits)
	}
}

func mostInWords(rows int64) string {
	if rows == 0 {
		return ""
	}
	return " of at most " + humanize.Comma(rows)
}

func (p *statusPage) since(unix *int64) string {
	if unix == nil {
		return ""
	}
	return " for " + show.Duration(p.now-*unix)
}

// others are the daemon's other parts.
func (p *statusPage) others(s watch.Status) {
	swept := "no sweep has ended yet"
	if s.Swept != nil {
		swept = "last sweep ended " + show.Age(p.now-*s.Swept) + " ago"
	}
	p.line("expiry", "%s", swept)
	var open []string
	for _, via := range []string{"milter", "policy"} {
		open = append(open, humanize.Comma(s.Connections[via])+" "+via)
	}
	p.line("open", "connections: %s", strings.Join(open, ", "))
	if s.LogLost > 0 {
		p.line("log", "%s dropped", show.Count(s.LogLost, "line"))
	}
	if s.Configuration != nil {
		p.line("config", "read %s ago%s", show.Age(p.now-s.Configuration.Read), staleInWords(s.Configuration.Stale))
	}
}

func staleInWords(stale bool) string {
	if stale {
		return "; " + failed
	}
	return ""
}

// lists writes the lists, those that could not be read first.
func (p *statusPage) lists(all []watch.FileStatus) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b watch.FileStatus) int {
		switch {
		case a.Stale && !b.Stale:
			return -1
		case b.Stale && !a.Stale:
			return 1
		}
		return 0
	})
	name := "lists"
	for _, l := range all[:min(shownLists, len(all))] {
		p.line(name, "%s: %s, read %s ago%s", address.Printable(l.Name), show.Count(int64(l.Entries), "entry"), show.Age(p.now-l.Read), staleInWords(l.Stale))
		name = ""
	}
	if more := len(all) - shownLists; more > 0 {
		p.line("", "and %d more (--json has all)", more)
	}
}
