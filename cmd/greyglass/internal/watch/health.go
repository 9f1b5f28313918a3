package watch

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"greyglass/sqlstore"
)

// alive answers that the process runs.
func alive(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }

// ready answers whether the daemon serves. A daemon whose database fails is ready, since
// it answers by on_error; the report says so.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	d := s.daemon.Load()
	switch {
	case s.stopping.Load():
		notReady(w, "stopping")
	case d == nil:
		notReady(w, "starting")
	case len(d.Listening) == 0:
		notReady(w, "no listeners configured: listen.milter and listen.policy are empty")
	default:
		_, _ = io.WriteString(w, "ready\n"+d.report())
	}
}

func notReady(w http.ResponseWriter, why string) {
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, "not ready: "+why+"\n")
}

// report describes the daemon's state, one line for each part.
func (d *Daemon) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "listening: %s\n", strings.Join(d.Listening, ", "))
	for _, f := range d.Files.All() {
		if f.Name == Configuration {
			fmt.Fprintf(&b, "configuration: read %s%s\n", inWords(f.Read), staleness(f))
		} else {
			fmt.Fprintf(&b, "list %s: %d entries, read %s%s\n", f.Name, f.Entries, inWords(f.Read), staleness(f))
		}
	}
	since, _ := d.Judge.Outage()
	switch fails, open := d.Failing(); {
	case open:
		fmt.Fprintf(&b, "database: failing open%s: unknown triplets are accepted%s\n", sinceThen(since), because(d.Judge.Cause()))
	case fails:
		fmt.Fprintf(&b, "database: failing%s: unknown triplets are deferred%s\n", sinceThen(since), because(d.Judge.Cause()))
	default:
		b.WriteString("database: works\n")
	}
	if ahead, _ := sqlstore.ClockAhead(d.Store); ahead.Abs() > sqlstore.WarnSkew {
		side := "ahead of"
		if ahead < 0 {
			side = "behind"
		}
		fmt.Fprintf(&b, "clock: %v %s the database server's clock, which decisions follow; expiry stops above %v\n", ahead.Abs().Round(time.Second), side, sqlstore.ExpirySkew)
	}
	return b.String()
}

// because writes the cause, which may be empty, at the end of a line.
func because(cause string) string {
	if cause == "" {
		return ""
	}
	return ": " + cause
}

func staleness(f File) string {
	if f.Stale {
		return "; the last reading failed, see the log"
	}
	return ""
}

// sinceThen is empty if no answer has failed yet.
func sinceThen(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + inWords(t)
}

func inWords(t time.Time) string { return t.UTC().Format(time.DateTime) + " UTC" }
