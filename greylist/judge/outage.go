package judge

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"greyglass/greylist"
)

// checkInterval is how often a failing memory is pinged.
const checkInterval = time.Second

// maxCauses bounds how many causes of one outage are logged.
const maxCauses = 8

// outage logs when the memory begins to fail, each further cause, and when it works
// again: one line each, however many answers fail. It ends once a ping succeeds and
// nothing else has failed for [checkInterval]. The zero value is no outage.
type outage struct {
	mu     sync.Mutex
	began  time.Time // zero: there is none
	failed int       // answers, since it began
	again  bool      // it has failed since the last check
	before int64     // answers that failed in earlier outages

	cause  string          // of the last failure
	logged map[string]bool // causes
}

// Outage returns since when the memory has been failing, zero if it is not, and how
// many answers have failed since the start.
func (j *Judge) Outage() (since time.Time, failed int64) {
	o := &j.outage
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.began, o.before + int64(o.failed)
}

// Cause returns why the memory fails; empty if it does not.
func (j *Judge) Cause() string {
	o := &j.outage
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cause
}

// storeFailed answers by on_error, because the memory has failed.
func (j *Judge) storeFailed(p *Policy, err error) Answer {
	j.outage.note(j, p.OnError, err, 1)
	return p.errorAnswer(err)
}

// stopped reports whether an error is no failure: the peer has disconnected, or the daemon stops.
func stopped(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, greylist.ErrClosed)
}

// note notes that the memory has failed, and so many answers by that.
func (o *outage) note(j *Judge, onError greylist.Verdict, err error, answers int) {
	if stopped(err) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed += answers
	o.again = true
	o.begin(j, onError, err)
}

// begin begins an outage, unless there is one, and logs the cause if it is new.
func (o *outage) begin(j *Judge, onError greylist.Verdict, err error) {
	message := eventOtherCause
	if o.began.IsZero() {
		message = eventFailing
		o.began, o.logged = time.Now(), make(map[string]bool)
		time.AfterFunc(checkInterval, func() { o.check(j) })
	}
	o.cause = err.Error()
	if o.logged[o.cause] || len(o.logged) == maxCauses {
		return
	}
	o.logged[o.cause] = true
	attrs := []slog.Attr{slog.String("on_error", string(onError)), slog.String("error", o.cause)}
	var fault *greylist.Fault
	if errors.As(err, &fault) {
		attrs = append(attrs, slog.String("database", fault.Database), slog.String("advice", fault.Advice))
	}
	j.log.LogAttrs(context.Background(), slog.LevelWarn, message, attrs...)
}

// CheckMemory pings the memory, so that an outage at the start of the daemon is
// logged before any answer fails.
func (j *Judge) CheckMemory(ctx context.Context) {
	p := j.Policy()
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	err := j.memory.Ping(ctx)
	if err == nil || stopped(err) {
		return
	}
	j.outage.mu.Lock()
	defer j.outage.mu.Unlock()
	j.outage.begin(j, p.OnError, err)
}

// check ends the outage, or checks again later.
func (o *outage) check(j *Judge) {
	p := j.Policy()
	ctx, cancel := context.WithTimeout(context.Background(), p.Timeout)
	defer cancel()
	err := j.memory.Ping(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	if errors.Is(err, greylist.ErrClosed) {
		return
	}
	if err != nil {
		o.begin(j, p.OnError, err)
	}
	if err != nil || o.again {
		o.again = false
		time.AfterFunc(checkInterval, func() { o.check(j) })
		return
	}
	j.log.Info(eventRecovered, "after", time.Since(o.began).Round(time.Millisecond).String(), "failed_answers", o.failed)
	o.before += int64(o.failed)
	o.began, o.cause, o.failed = time.Time{}, "", 0
}
