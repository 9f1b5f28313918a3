package upkeep

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/greylist/judge"
)

// recordTimeout bounds how long the store may take to record what was counted.
const recordTimeout = 10 * time.Second

// Recorder writes what a [judge.Counters.Counters] counts into the store's [greylist.History], in the
// background, a batch a minute. A batch that failed, or of which it is not known whether it
// was written, is tried again as it was, before the next: an hour has some dozens of
// counts, so that even a long outage takes little memory. It is used by one goroutine
// at a time.
type Recorder struct {
	store interface {
		Record(ctx context.Context, h greylist.History) error
	}
	counters *judge.Counters
	clock    *clock.Clock
	log      *slog.Logger

	hour     int64                       // in which it was last looked; what was counted since belongs to it
	known    map[judge.Kind]int64        // how many answers there were then
	answered map[greylist.Answered]int64 // for the next batch; Count is zero in the key
	returned map[greylist.Returned]int64 // for the next batch; Count is zero in the key
	batch    greylist.History            // to be written; empty if there is none
	failing  bool                        // the last attempt has failed
}

// NewRecorder makes a recorder of what the judge answers from now on.
func NewRecorder(store greylist.Store, tally *judge.Counters, clock *clock.Clock, log *slog.Logger) *Recorder {
	r := &Recorder{store: store, counters: tally, clock: clock, log: log,
		answered: make(map[greylist.Answered]int64), returned: make(map[greylist.Returned]int64),
		batch: greylist.History{Batch: greylist.Batch{Daemon: rand.Text()}}}
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
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	for r.nextBatch() {
		if err := r.store.Record(ctx, r.batch); err != nil {
			if !r.failing {
				r.log.Warn(eventHistoryFailed, "error", err)
			}
			r.failing = true
			return
		}
		r.failing = false
		r.batch.Answered, r.batch.Returned = nil, nil
	}
}

// nextBatch makes a batch of what was counted, unless there is one that is not known to
// be written, and reports whether there is one.
func (r *Recorder) nextBatch() bool {
	if r.batch.Empty() {
		r.batch = historyOf(r.batch.Batch, r.answered, r.returned)
		r.batch.Batch.Number++
		clear(r.answered)
		clear(r.returned)
	}
	return !r.batch.Empty()
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
func historyOf(batch greylist.Batch, answered map[greylist.Answered]int64, returned map[greylist.Returned]int64) (h greylist.History) {
	for a, n := range answered {
		a.Count = n
		h.Answered = append(h.Answered, a)
	}
	for back, n := range returned {
		back.Count = n
		h.Returned = append(h.Returned, back)
	}
	h.Batch = batch
	h.Sort()
	return h
}
