package web

import (
	"fmt"
	"slices"
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

// windows are those that hold for a triplet, as far as that is known.
type windows struct {
	greylist.Windows
	unsure   bool // rules have others, which may hold: these are the widest
	observed bool // the greylist only observes
}

// windowsOf returns the windows that hold for a triplet, by the newest of the decisions that
// is the greylist's about it.
func (d *serving) windowsOf(t greylist.Triplet, recent []Decided) windows {
	p := d.Policy()
	w := windows{observed: p.Observe}
	var same bool
	if w.Windows, same = p.Widest(); same {
		return w
	}
	w.unsure = true
	about, err := d.about(t.Client, t.Sender, t.Recipient)
	if err != nil {
		return w
	}
	if i := slices.IndexFunc(recent, func(k Decided) bool { return k.Reason.Greylist() && about(&k) }); i >= 0 {
		w.Windows, w.unsure = p.WindowsOf(recent[i].Rule), false
	}
	return w
}

// found describes a record, at present, by the windows that hold for it.
func (d *serving) found(w windows, r greylist.Record) found {
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
	case now >= opens(r.Entry, w) && w.unsure:
		f.Title = "A retry may be accepted now"
	case now >= opens(r.Entry, w):
		f.Title = "A retry is accepted now"
	case w.observed:
		f.Title = "Would wait for a retry from " + upToMinute(opens(r.Entry, w), now) + " on" + w.earliest()
	default:
		f.Title = "Waits for a retry from " + upToMinute(opens(r.Entry, w), now) + " on" + w.earliest()
	}
	return f
}

// opens is when a retry of a waiting entry can pass, by the greylist's windows.
func opens(e greylist.Entry, w windows) int64 {
	return e.FirstSeen + w.PassesAfter()
}

func (w windows) earliest() string {
	if w.unsure {
		return " at the earliest"
	}
	return ""
}

func (w windows) latest() string {
	if w.unsure {
		return " at the latest"
	}
	return ""
}

// whyWaits says in sentences what has happened to a triplet, and what happens next.
func whyWaits(r greylist.Record, w windows, now int64) string {
	from, to := address.Printable(r.Sender)+" wrote to", address.Printable(r.Recipient)
	if r.Sender == address.NullSender {
		from = "A bounce (mail without a sender) came for"
	}
	began := fmt.Sprintf("%s %s for the first time %s", from, to, at(r.Attempted(), now))
	if r.Passed() {
		if r.Deferred+r.Accepted == 0 {
			began = "No attempt is stored"
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
	if w.observed {
		text = began + "."
	}
	if r.Deferred > 1 {
		text = fmt.Sprintf("%s; the server has tried %s times, last %s.", began, strconv.FormatInt(r.Deferred, 10), at(r.LastSeen, now))
	}
	if r.FirstAttempt != 0 {
		text += " The wait began again " + at(r.FirstSeen, now) + ", because an attempt came much too soon or too late."
	}
	text += " "
	is := "It is let in"
	if now >= opens && w.unsure {
		is = "It may be let in"
	}
	if w.observed {
		text += "Greylisting only observes, so it is accepted at once. Otherwise "
		is = "it would be let in"
	}
	switch {
	case now > closes && w.observed:
		return text + "its next attempt would begin a new wait: it could be let in until " + timeOfDay(closes, now) + "."
	case now > closes:
		return text + "It could be let in until " + timeOfDay(closes, now) + "; its next attempt begins a new wait."
	case now >= opens:
		return text + is + " when its server tries again by " + timeOfDay(closes, now) + w.latest() + "."
	}
	return text + is + " when it tries again from " + upToMinute(opens, now) + " on" + w.earliest() + " (in " + show.Duration(opens-now) + ")."
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
