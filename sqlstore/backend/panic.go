package backend

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// panicError is the error of a change that panicked. Its text is one line.
type panicError struct {
	value any
	stack string
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// Rescue turns a panic of a change into an error. It must be deferred.
func Rescue(err *error) {
	if p := recover(); p != nil {
		*err = &panicError{value: p, stack: string(debug.Stack())}
	}
}

// ReportPanic counts and logs the error if it is that of a panic. Call it for the last
// attempt, because a change may be retried and panic again.
func (t *Counters) ReportPanic(err error, log *slog.Logger) {
	var p *panicError
	if !errors.As(err, &p) {
		return
	}
	t.panics.Add(1)
	log.Error(eventPanic, "panic", p.value, "stack", p.stack)
}
