package upkeep

import (
	"context"
	"log/slog"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/greylist/judge"
)

// recordTimeout bounds how long the store may take to record what was counted.
const recordTimeout = 10 * time.Second

// Recorder writes what a [judge.Counters.Counters] counts into the store's [greylist.History], in the
// background. What could not be written is kept for the next time: an hour has
// some dozens of counts, so that even a long outage takes little memory. It is
// used by one goroutine at a time.
type Recorder struct {
	store interface {
		Record(ctx context.Context, h greylist.History) error
	}
	counters *judge.Counters
	clock    *clock.Clock
	log      *slog.Logger

	hour     int64                       // in which it was last looked; what was counted since belongs to it
	known    map[judge.Kind]int64        // how many answers there were then
	answered map[greylist.Answered]int64 // to be written; Count is zero in the key
	returned map[greylist.Returned]int64 // to be written; Count is zero in the key
	failing  bool                        // the last attempt has failed
}

// NewRecorder makes a recorder of what the judge answers from now on.
func NewRecorder(store greylist.Store, tally *judge.Counters, clock *clock.Clock, log *slog.Logger) *Recorder {
	r := &Recorder{store: store, counters: tally, clock: clock, log: log,
		answered: make(map[greylist.Answered]int64), returned: make(map[greylist.Returned]int64)}
	r.hour, r.known = greylist.HourOf(r.clock.Now()), r.counters.Answers()
	return r
}

// Run records once a minute, when a new one begins, so that what it counts
// belongs to one hour. What comes after the context's end is left to [Recorder.Flush].
func (r *Recorder) Run(ctx context.Context) {
	for sleep(ctx, untilNextMinute(r.clock.Now())) {
		r.Flush(ctx)
	}
}

func untilNextMinute(unix int64) time.Duration { return time.Duration(60-unix%60) * time.Second }

// Flush records what was counted since the last time. The log is told when that
// begins to fail.
func (r *Recorder) Flush(ctx context.Context) {
	r.gather()
	h := historyOf(r.answered, r.returned)
	if h.Empty() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	if err := r.store.Record(ctx, h); err != nil {
		if !r.failing {
			r.log.Warn(eventHistoryFailed, "error", err)
		}
		r.failing = true
		return
	}
	r.failing = false
	clear(r.answered)
	clear(r.returned)
}

// gather adds what the tally has counted since the last time to what is to be written.
func (r *Recorder) gather() {
	now := r.counters.Answers()
	for k, n := range now {
		if n != r.known[k] {
			r.answered[greylist.Answered{Hour: r.hour, Via: k.Via, Verdict: k.Verdict, Reason: k.Reason}] += n - r.known[k]
		}
	}
	r.known = now
	r.counters.TakeReturned(r.returned)
	r.hour = greylist.HourOf(r.clock.Now())
}

// historyOf is the history of counts by what they count, whose Count is zero.
func historyOf(answered map[greylist.Answered]int64, returned map[greylist.Returned]int64) (h greylist.History) {
	for a, n := range answered {
		a.Count = n
		h.Answered = append(h.Answered, a)
	}
	for back, n := range returned {
		back.Count = n
		h.Returned = append(h.Returned, back)
	}
	h.Sort()
	return h
}
