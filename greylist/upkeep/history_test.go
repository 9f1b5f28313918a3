package upkeep

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/greylist/judge"
)

// archive is a Store of which only Record is used.
type archive struct {
	greylist.Store
	fail     error
	lost     error // after it was recorded
	last     int64 // batch
	recorded []greylist.History
	at       []time.Time
}

func (a *archive) Record(_ context.Context, h greylist.History) error {
	a.at = append(a.at, time.Now())
	if a.fail != nil {
		return a.fail
	}
	if h.Batch.Daemon == "" || h.Batch.Number <= a.last {
		return nil
	}
	a.last, h.Batch = h.Batch.Number, greylist.Batch{}
	a.recorded = append(a.recorded, h)
	return a.lost
}

func verdictOf(reason greylist.Reason) greylist.Verdict {
	if reason == greylist.ReasonNowGrey || reason == greylist.ReasonAlreadyGrey {
		return greylist.Accept
	}
	return greylist.Defer
}

func answeredIn(hour int64, reason greylist.Reason, count int64) greylist.Answered {
	return greylist.Answered{Hour: hour, Via: "milter", Verdict: verdictOf(reason), Reason: reason, Count: count}
}

// TestRecorder: each flush adds what is new, to the hour in which it was; what
// could not be written, or of which that is not known, is tried again before the next.
func TestRecorder(t *testing.T) {
	const hour = 10_000_800 // a whole hour
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	now := int64(hour + 10)
	counters, store := judge.NewCounters(), new(archive)
	count := func(reason greylist.Reason) {
		counters.Answer(judge.Kind{Via: "milter", Verdict: verdictOf(reason), Reason: reason}, time.Millisecond)
	}
	count(greylist.ReasonNotSeenBefore) // before the recorder: not its business
	r := NewRecorder(store, counters, clock.New(func() time.Time { return time.Unix(now, 0) }, log), log)
	flush := func(want ...greylist.History) {
		t.Helper()
		store.recorded = nil
		r.Flush(t.Context())
		if len(store.recorded)+len(want) > 0 && !reflect.DeepEqual(store.recorded, want) {
			t.Errorf("recorded %+v\nwant %+v", store.recorded, want)
		}
	}
	flush()
	count(greylist.ReasonWayTooSoon)
	count(greylist.ReasonWayTooSoon)
	now = hour + 3600 // the hour is over when it looks
	flush(greylist.History{Answered: []greylist.Answered{answeredIn(hour, greylist.ReasonWayTooSoon, 2)}})
	flush()

	store.fail = errors.New("disk full")
	now += 60
	count(greylist.ReasonNowGrey)
	counters.Passed(greylist.Entry{FirstSeen: hour + 10, PassedAt: now})
	flush()
	now = hour + 7210
	flush()
	count(greylist.ReasonAlreadyGrey)
	flush()
	now += 1000
	count(greylist.ReasonAlreadyGrey)
	store.fail = nil
	flush(greylist.History{
		Answered: []greylist.Answered{answeredIn(hour+3600, greylist.ReasonNowGrey, 1)},
		Returned: []greylist.Returned{{Hour: hour, Within: 3900, Count: 1}},
	}, greylist.History{Answered: []greylist.Answered{answeredIn(hour+7200, greylist.ReasonAlreadyGrey, 2)}})
	flush()

	// It is written, but the answer is lost: it is not written again with what comes next.
	store.lost = errors.New("connection lost")
	count(greylist.ReasonAlreadyGrey)
	flush(greylist.History{Answered: []greylist.Answered{answeredIn(hour+7200, greylist.ReasonAlreadyGrey, 1)}})
	store.lost = nil
	count(greylist.ReasonWayTooSoon)
	flush(greylist.History{Answered: []greylist.Answered{answeredIn(hour+7200, greylist.ReasonWayTooSoon, 1)}})
	if n := strings.Count(text.String(), "cannot write the history"); n != 2 {
		t.Errorf("said %d times that it fails", n)
	}
}

// TestRecorderRuns: it looks when a minute begins, and ends with its context.
func TestRecorderRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		time.Sleep(61500 * time.Millisecond)
		counters, store := judge.NewCounters(), new(archive)
		r := NewRecorder(store, counters, clock.New(time.Now, log), log)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		go func() {
			for sleep(ctx, time.Second) {
				counters.Answer(judge.Kind{Via: "milter", Verdict: greylist.Defer, Reason: greylist.ReasonWayTooSoon}, 0)
			}
		}()
		r.Run(ctx)
		if len(store.at) != 10 {
			t.Errorf("looked %d times in ten minutes", len(store.at))
		}
		for _, at := range store.at {
			if s := at.Second(); s > 1 {
				t.Errorf("looked at %s", at)
			}
		}
	})
}
