package judge

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/sqlstore/storetest/faulty"
)

// TestOutage: an outage is told of when it begins, when its cause has changed, and when
// it is over, and in between it is not, whatever fails.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged logbook
		log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
		store := faulty.New()
		set := store.Fail
		judge := New(store, newPolicy(t), log, clock.New(time.Now, log))
		ask := func(want greylist.Reason) {
			t.Helper()
			if answer, _ := judge.Recipient(t.Context(), nil, unknownAttempt); answer.Reason != want {
				t.Errorf("%+v, want %s", answer, want)
			}
		}
		told := func(want ...string) {
			t.Helper()
			synctest.Wait()
			var lines []string
			for line := range strings.Lines(logged.String()) {
				if !strings.Contains(line, "msg=decision") {
					lines = append(lines, strings.TrimSpace(line))
				}
			}
			logged.Reset()
			if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
				t.Errorf("told:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
			}
		}

		ask(greylist.ReasonNotSeenBefore)
		told()
		set(context.Canceled) // its client has gone
		ask(greylist.ReasonError)
		set(greylist.ErrClosed) // the daemon is going
		ask(greylist.ReasonError)
		told()

		full := &greylist.Fault{Database: "/x.db", Err: errors.New("disk is full"), Advice: "make room"}
		set(full)
		for range 100 {
			ask(greylist.ReasonError)
		}
		told(`level=WARN msg="database failing, answering by on_error" on_error=accept error="disk is full" database=/x.db advice="make room"`)
		time.Sleep(time.Minute)
		set(context.DeadlineExceeded)
		for range 3 {
			ask(greylist.ReasonError)
		}
		told(`level=WARN msg="database still failing, for another reason" on_error=accept error="context deadline exceeded"`)
		if got := judge.Cause(); got != "context deadline exceeded" {
			t.Errorf("the present cause is %q", got)
		}
		readOnly := &greylist.Fault{Database: "/x.db", Err: errors.New("read-only"), Advice: "promote"}
		set(readOnly) // found by the look at the memory, without any mail
		time.Sleep(2 * time.Second)
		told(`level=WARN msg="database still failing, for another reason" on_error=accept error=read-only database=/x.db advice=promote`)

		// Between two failures it may work for a moment: that is not its end.
		for range 3 {
			set(nil)
			ask(greylist.ReasonWayTooSoon)
			set(full)
			ask(greylist.ReasonError)
			set(nil)
			time.Sleep(900 * time.Millisecond)
			set(full)
			ask(greylist.ReasonError)
			set(nil)
		}
		told()
		time.Sleep(2 * checkInterval)
		told(`level=INFO msg="database works again" after=1m6s failed_answers=109`)
		ask(greylist.ReasonWayTooSoon)
		time.Sleep(time.Hour)
		told()

		set(full)
		ask(greylist.ReasonError)
		told(`level=WARN msg="database failing, answering by on_error" on_error=accept error="disk is full" database=/x.db advice="make room"`)
		set(nil)
		time.Sleep(time.Minute)
		logged.Reset()

		// It may be there from the beginning, before anybody asks.
		judge.CheckMemory(t.Context())
		told()
		set(full)
		judge.CheckMemory(t.Context())
		judge.CheckMemory(t.Context())
		told(`level=WARN msg="database failing, answering by on_error" on_error=accept error="disk is full" database=/x.db advice="make room"`)
		set(nil)
		time.Sleep(2 * checkInterval)
		told(`level=INFO msg="database works again" after=1s failed_answers=0`)

		set(full)
		ask(greylist.ReasonError)
		told(`level=WARN msg="database failing, answering by on_error" on_error=accept error="disk is full" database=/x.db advice="make room"`)
		set(greylist.ErrClosed) // no further check is scheduled
		time.Sleep(time.Minute)
		told()
	})
}

// TestFailedAnswers: of the answers that on_error gives each is counted once, and none that
// it does not give.
func TestFailedAnswers(t *testing.T) {
	p := provenPolicy(t)
	p.OnError = greylist.Defer
	c := newCourt(p)
	c.pass(t, attemptTo("ann"))
	c.pass(t, attemptTo("bob"))
	c.Expect([]greylist.Expectation{{Recipient: "suspect@example.org", Sender: "*", Until: c.clock + 36000, Once: true}})
	failed := func(want int64) {
		t.Helper()
		if _, n := c.Outage(); n != want {
			t.Errorf("%d failed answers, want %d", n, want)
		}
	}
	c.clock += 7200
	calls := 0
	c.store.Before(func(context.Context) error {
		if calls++; calls == 1 {
			return nil // the client is read
		}
		return errors.New("read-only")
	})
	c.wantReason(t, attemptTo("friend"), "rule:friends") // that the client goes on sending cannot be written
	failed(0)
	c.store.Fail(errors.New("disk full"))
	c.wantReason(t, attemptTo("suspect"), greylist.ReasonError)
	failed(1)
}
