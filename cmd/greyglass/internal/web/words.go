package web

import (
	"fmt"
	"strconv"
	"time"

	"greyglass/cmd/greyglass/internal/show"
	"greyglass/greylist"
	"greyglass/greylist/address"
)

// found is a triplet that a search has found.
type found struct {
	greylist.Triplet
	State string // "waiting", "late" or "passed"
	Title string // its state in words
	Why   string // sentences

	Tries, Accepted int64
	First, Last     int64  // Unix seconds
	Query           string // finds it again
}

// found describes a record, at present, by the windows that hold for it.
func (d *serving) found(w greylist.Windows, r greylist.Record) found {
	now := d.Now()
	f := found{
		Triplet: r.Triplet, State: r.State(), Why: whyWaits(r, w, now),
		Tries: r.Deferred, Accepted: r.Accepted, First: r.Attempted(), Last: r.LastSeen,
		Query: r.Client + " " + r.Sender + " " + r.Recipient,
	}
	switch reason := w.Decide(&r.Entry, now).Reason; {
	case reason == greylist.ReasonGreyTooLong:
		f.State, f.Title = "late", "Accepted too long ago"
	case r.Passed():
		f.Title = "Accepted"
	case reason == greylist.ReasonTooLate:
		f.State, f.Title = "late", "Not tried again in time"
	case now >= opens(r.Entry, w):
		f.Title = "A retry is accepted now"
	default:
		f.Title = "Waits for a retry from " + upToMinute(opens(r.Entry, w), now) + " on"
	}
	return f
}

// opens is when a retry of a waiting entry can pass, by the greylist's windows.
func opens(e greylist.Entry, w greylist.Windows) int64 {
	return e.FirstSeen + w.PassesAfter()
}

// whyWaits says in sentences what has happened to a triplet, and what happens next.
func whyWaits(r greylist.Record, w greylist.Windows, now int64) string {
	from, to := sender(r.Sender), address.Printable(r.Recipient)
	began := fmt.Sprintf("%s wrote to %s for the first time %s", from, to, at(r.Attempted(), now))
	if r.Passed() {
		if r.Deferred+r.Accepted == 0 {
			began = fmt.Sprintf("No attempt of %s to write to %s is remembered", from, to)
		}
		if r.Accepted == 0 || r.LastSeen < r.PassedAt {
			return began + ", and it was let in by hand " + at(r.PassedAt, now) + ". The greylist accepts the next attempt at once."
		}
		text := began + ", and was last accepted " + at(r.PassedAt, now) + "."
		if w.Decide(&r.Entry, now).Verdict != greylist.Accept {
			return text + " That is too long ago: the next attempt waits again."
		}
		if waited := r.PassedAt - r.Attempted(); r.Accepted == 1 && r.Deferred > 0 && waited > 0 {
			text += " The first message waited " + show.Duration(waited) + "."
		}
		return text + " Further mail between the two from this server is accepted at once."
	}
	opens, closes := opens(r.Entry, w), r.FirstSeen+w.MaxDeferTime
	text := began + ", and the server has not tried again yet."
	if r.Deferred > 1 {
		text = fmt.Sprintf("%s; the server has tried %s times, last %s.", began, strconv.FormatInt(r.Deferred, 10), at(r.LastSeen, now))
	}
	if r.FirstAttempt != 0 {
		text += " The wait began again " + at(r.FirstSeen, now) + ", because an attempt came much too soon or too late."
	}
	switch {
	case now > closes:
		return text + " It was too late " + at(closes, now) + ": its next attempt begins a new wait."
	case now >= opens:
		return text + " It is let in when it tries again, until " + timeOfDay(closes, now) + "."
	}
	return text + " It is let in when it tries again from " + upToMinute(opens, now) + " on (in " + show.Duration(opens-now) + ")."
}

// sender is a sender in words.
func sender(s string) string {
	if s == address.NullSender {
		return "A bounce (without a sender)"
	}
	return address.Printable(s)
}

// timeOfDay is a time of day, with the date unless it is today.
func timeOfDay(unix, now int64) string {
	t, today := time.Unix(unix, 0), time.Unix(now, 0)
	if t.Format(time.DateOnly) == today.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// upToMinute is a time of day from which on something holds: it has begun by then.
func upToMinute(unix, now int64) string { return timeOfDay((unix+59)/60*60, now) }

// at is "at" a time of day, or "on" a day.
func at(unix, now int64) string {
	c := timeOfDay(unix, now)
	if len(c) > len("15:04") {
		return "on " + c[:len(time.DateOnly)] + " at " + c[len(time.DateOnly)+1:]
	}
	return "at " + c
}
