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

// recordTimeout bounds how long the store may take for a batch.
const recordTimeout = 10 * time.Second

// Recorder writes the counts of [judge.Counters] into the store's [greylist.History], in
// the background, one batch a minute. It sends a batch again until it is known to be
// written. Meanwhile it collects for the next batch, which stays small: an hour has some
// dozens of counts. It is not safe for concurrent use.
type Recorder struct {
	store interface {
		Record(ctx context.Context, h greylist.History) error
	}
	counters *judge.Counters
	clock    *clock.Clock
	log      *slog.Logger

	// Lists are those of which it is recorded when each entry was last used. They must not
	// change any more once it runs.
	Lists map[string]*greylist.Uses

	hour     int64                       // of the last gather; the next one counts for it
	known    map[judge.Kind]int64        // the answers at the last gather
	answered map[greylist.Answered]int64 // for the next batch; Count is zero in the key
	returned map[greylist.Returned]int64 // for the next batch; Count is zero in the key
	used     map[greylist.Used]int64     // for the next batch; At is zero in the key
	batch    greylist.History            // to be written; empty if there is none
	failing  bool                        // the last attempt has failed
}

// NewRecorder makes a recorder of the answers from now on.
func NewRecorder(store greylist.Store, counters *judge.Counters, clock *clock.Clock, log *slog.Logger) *Recorder {
	r := &Recorder{store: store, counters: counters, clock: clock, log: log,
		answered: make(map[greylist.Answered]int64), returned: make(map[greylist.Returned]int64), used: make(map[greylist.Used]int64),
		batch: greylist.History{Batch: greylist.Batch{Daemon: rand.Text()}}}
	r.hour, r.known = greylist.HourOf(r.clock.Now()), r.counters.Answers()
	return r
}

// Run records at the beginning of each minute, so that a batch belongs to one hour,
// until the context ends. Call [Recorder.Flush] after it for the rest.
func (r *Recorder) Run(ctx context.Context) {
	for sleep(ctx, untilNextMinute(r.clock.Now())) {
		r.Flush(ctx)
	}
}

func untilNextMinute(unix int64) time.Duration { return time.Duration(60-unix%60) * time.Second }

// Flush records what was counted since the last time. It logs the first failure.
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
		r.batch.Answered, r.batch.Returned, r.batch.Used = nil, nil, nil
	}
}

// nextBatch makes a batch of what was gathered, unless the last one is still to be
// written, and reports whether there is a batch.
func (r *Recorder) nextBatch() bool {
	if r.batch.Empty() {
		r.batch = historyOf(r.batch.Batch, r.answered, r.returned, r.used)
		r.batch.Batch.Number++
		clear(r.answered)
		clear(r.returned)
		clear(r.used)
	}
	return !r.batch.Empty()
}

// gather adds what was counted since the last gather to the next batch.
func (r *Recorder) gather() {
	now := r.counters.Answers()
	for k, n := range now {
		if n != r.known[k] {
			r.answered[greylist.Answered{Hour: r.hour, Via: k.Via, Verdict: k.Verdict, Reason: k.Reason}] += n - r.known[k]
		}
	}
	r.known = now
	r.counters.TakeReturned(r.returned)
	for list, uses := range r.Lists {
		for _, entry := range uses.Take() {
			r.used[greylist.Used{List: list, Entry: entry}] = r.clock.Now()
		}
	}
	r.hour = greylist.HourOf(r.clock.Now())
}

// historyOf makes a batch of counts.
func historyOf(batch greylist.Batch, answered map[greylist.Answered]int64, returned map[greylist.Returned]int64, used map[greylist.Used]int64) (h greylist.History) {
	for a, n := range answered {
		a.Count = n
		h.Answered = append(h.Answered, a)
	}
	for back, n := range returned {
		back.Count = n
		h.Returned = append(h.Returned, back)
	}
	for u, at := range used {
		u.At = at
		h.Used = append(h.Used, u)
	}
	h.Batch = batch
	h.Sort()
	return h
}
