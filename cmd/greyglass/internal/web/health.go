package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"greyglass/cmd/greyglass/internal/show"
	"greyglass/cmd/greyglass/internal/watch"
	"greyglass/sqlstore"
)

// finding is one part of the answer to "is all well?".
type finding struct {
	Status string // "ok", "warn" or "wrong", as doctor has them
	Check  string
	Says   string
}

// silentAfter is how long no mail server may ask before that is said.
const silentAfter = time.Hour

// health says whether all is well, as far as the daemon knows by itself.
func (d *serving) health() (all []finding) {
	add := func(status, check, format string, args ...any) {
		all = append(all, finding{status, check, fmt.Sprintf(format, args...)})
	}
	state := d.State
	switch failing, open := state.Failing(); {
	case open:
		add("wrong", "Database", "fails; unknown triplets are accepted until it works again")
	case failing:
		add("wrong", "Database", "fails; unknown triplets are deferred until it works again")
	default:
		add("ok", "Database", "works")
	}
	if ahead, _ := sqlstore.ClockAhead(state.Store); ahead.Abs() > sqlstore.WarnSkew {
		add("warn", "Clock", "differs by %s from the database server's", ahead.Abs().Round(time.Second))
	}
	var stale []string
	for _, f := range state.Files.All() {
		if f.Stale {
			name := f.Name
			if name != watch.Configuration {
				name = "list " + name
			}
			stale = append(stale, name)
		}
	}
	if len(stale) > 0 {
		add("warn", "Lists", "cannot be read: %s; the daemon keeps the previous state, and the log has the cause", printable(strings.Join(stale, ", ")))
	} else {
		add("ok", "Lists", "all could be read")
	}
	if since := d.DNSFails(); !since.IsZero() {
		add("warn", "DNS", "has failed since %s; rules that need it do not match", timeOfDay(since.Unix(), d.Now()))
	}
	var connections, sessions int64
	for _, l := range state.Limiters {
		c := l.Counters()
		connections += c.Open
		sessions += c.Admitted
	}
	switch {
	case sessions == 0 && time.Since(state.Started) > silentAfter:
		add("wrong", "Mail servers", "none has connected since the daemon started, %s ago; 'greyglass doctor' says more", show.Duration(int64(time.Since(state.Started).Seconds())))
	case sessions == 0:
		add("warn", "Mail servers", "none has connected since the daemon started, %s ago", show.Duration(int64(time.Since(state.Started).Seconds())))
	case silence(state, time.Now()) > silentAfter:
		add("warn", "Mail servers", "none has sent a request in the last %s; 'greyglass doctor' says more", show.Duration(int64(silence(state, time.Now()).Seconds())))
	default:
		add("ok", "Mail servers", "%s connected now, %s since the daemon started", humanize.Comma(connections), humanize.Comma(sessions))
	}
	if d.Policy().Observe {
		add("warn", "Mode", "observe: nothing is deferred by the greylist")
	}
	return all
}

// silence is for how long no mail server has asked.
func silence(state *watch.Daemon, now time.Time) time.Duration {
	asked := state.Recent.Asked()
	if asked.IsZero() {
		asked = state.Started
	}
	return now.Sub(asked)
}
