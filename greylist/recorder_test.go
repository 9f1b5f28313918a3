package greylist

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// archive is a Store of which only Record is used.
type archive struct {
	Store
	fail     error
	recorded []History
	at       []time.Time
}

func (a *archive) Record(_ context.Context, h History) error {
	a.at = append(a.at, time.Now())
	if a.fail != nil {
		return a.fail
	}
	a.recorded = append(a.recorded, h)
	return nil
}

func answeredIn(hour int64, reason Reason, count int64) Answered {
	verdict := Defer
	if reason == ReasonNowGrey {
		verdict = Accept
	}
	return Answered{Hour: hour, Via: "milter", Verdict: verdict, Reason: reason, Count: count}
}

// TestRecorder: each flush adds what is new, to the hour in which it was; what
// could not be written is written with the next.
func TestRecorder(t *testing.T) {
	c := newCourt(newPolicy(t))
	const hour = 10_000_800 // a whole hour
	c.clock = hour + 10
	c.Recipient(t.Context(), stranger) // before the recorder: not its business
	store := new(archive)
	r := NewRecorder(store, c.Judge, c.Judge.log)
	flush := func(want ...History) {
		t.Helper()
		store.recorded = nil
		r.Flush(t.Context())
		if len(store.recorded)+len(want) > 0 && !reflect.DeepEqual(store.recorded, want) {
			t.Errorf("recorded %+v\nwant %+v", store.recorded, want)
		}
	}
	flush()
	c.Recipient(t.Context(), stranger)
	c.Recipient(t.Context(), stranger)
	c.clock = hour + 3600 // the hour is over when it looks
	flush(History{Answered: []Answered{answeredIn(hour, ReasonWayTooSoon, 2)}})
	flush()

	store.fail = errors.New("disk full")
	c.clock += 60
	c.Recipient(t.Context(), stranger)
	flush()
	c.clock = hour + 7210
	flush()
	c.Recipient(t.Context(), stranger)
	flush()
	c.clock += 1000
	c.Recipient(t.Context(), stranger)
	store.fail = nil
	flush(History{
		Answered: []Answered{answeredIn(hour+3600, ReasonNowGrey, 1), {hour + 7200, "milter", Accept, ReasonAlreadyGrey, 2}},
		Returned: []Returned{{Hour: hour, Within: 3900, Count: 1}},
	})
	flush()
	if n := strings.Count(c.log.String(), "not written yet"); n != 1 {
		t.Errorf("said %d times that it fails", n)
	}
}

// TestRecorderRuns: it looks when a minute begins, and ends with its context.
func TestRecorderRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		judge := NewJudge(&memory{}, newPolicy(t), log, NewClock(time.Now, log))
		time.Sleep(61500 * time.Millisecond)
		store := new(archive)
		r := NewRecorder(store, judge, log)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		go func() {
			for sleep(ctx, time.Second) {
				judge.Recipient(ctx, stranger)
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
