package judge

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"greyglass/greylist"
)

// outageLook is how often a memory that fails is tried.
const outageLook = time.Second

// maxCauses bounds how many causes of one outage are logged.
const maxCauses = 8

// outage tells the log when the memory begins to fail and when it works again:
// one line each, however many answers fail in between, and one for each other cause
// that comes up meanwhile. It is over once the
// memory can be written to and no answer has failed for [outageLook], whether
// or not there is mail. The zero value has none.
type outage struct {
	mu     sync.Mutex
	began  time.Time // zero: there is none
	failed int       // answers, since it began
	seen   int       // of them, at the last look
	before int64     // answers that failed in those that are over

	cause  string          // of the last failure
	logged map[string]bool // causes
}

// Outage returns since when the memory has been failing, zero if it is not, and
// how many answers have failed by it from the judge's beginning on.
func (j *Judge) Outage() (since time.Time, failed int64) {
	o := &j.outage
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.began, o.before + int64(o.failed)
}

// Cause returns why the memory fails at present; empty if it does not.
func (j *Judge) Cause() string {
	o := &j.outage
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cause
}

// note counts an answer that failed.
func (o *outage) note(j *Judge, onError greylist.Verdict, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, greylist.ErrClosed) {
		return // who asked has gone, or the daemon is going: the memory does not fail
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed++
	o.begin(j, onError, err)
}

// begin begins an outage, unless there is one, and logs its cause if that is new.
func (o *outage) begin(j *Judge, onError greylist.Verdict, err error) {
	message := "database still failing, for another reason"
	if o.began.IsZero() {
		message = "database failing, answering by on_error"
		o.began, o.logged = time.Now(), make(map[string]bool)
		time.AfterFunc(outageLook, func() { o.look(j) })
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

// LookAtMemory finds an outage that is there already, as when the daemon starts,
// before any answer fails.
func (j *Judge) LookAtMemory(ctx context.Context) {
	p := j.Policy()
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	err := j.memory.Ping(ctx)
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, greylist.ErrClosed) {
		return
	}
	j.outage.mu.Lock()
	defer j.outage.mu.Unlock()
	j.outage.begin(j, p.OnError, err)
}

// look ends the outage, or comes again.
func (o *outage) look(j *Judge) {
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
	if err != nil || o.failed != o.seen {
		o.seen = o.failed
		time.AfterFunc(outageLook, func() { o.look(j) })
		return
	}
	j.log.Info("database works again", "after", time.Since(o.began).Round(time.Millisecond).String(), "failed_answers", o.failed)
	o.before += int64(o.failed)
	o.began, o.cause, o.failed, o.seen = time.Time{}, "", 0, 0
}
